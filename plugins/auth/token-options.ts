import { type Json, secret } from '#core/sdk.ts'
import { ALGORITHMS } from './algorithms.ts'
import { GRANT, NAMES, NO_NAMES } from './grant-options.ts'

const AUDIENCE: Json[] = ['llm-gateway']
const SUBJECT: Json = { id: 'sub' }
const KEYCLOAK: Json = { id: 'sub', roles: 'realm_access.roles', team: 'groups.0' }

const ISSUER_URL = {
  type: 'string',
  pattern: '^https?://[^\\s?#]+$',
  title: 'an http or https URL',
} as const

/** How claims of a token become a consumer. */
const CLAIMS = {
  claims: {
    type: 'object',
    default: SUBJECT,
    propertyNames: { type: 'string', pattern: '^[A-Za-z]\\w{0,63}$' },
    additionalProperties: { type: 'string', minLength: 1, maxLength: 256 },
    description:
      'Fields of the consumer and the claims that they are taken from: `id`, `roles`, `user`, `team`, `rateLimit`, or any other.',
    examples: [KEYCLOAK],
  },
  roles: {
    ...GRANT.roles,
    description: 'Roles that all of them have, beside those in their claims.',
  },
  idPrefix: {
    type: 'string',
    maxLength: 64,
    default: '',
    description: 'Put before ids, so that those of two issuers are not the same.',
    examples: ['acme:'],
  },
} as const

/** The option `jwt`. */
export const JWT = {
  type: 'object',
  additionalProperties: false,
  default: {},
  description: 'JSON Web Tokens.',
  properties: {
    issuers: {
      type: 'array',
      default: NO_NAMES,
      description: 'Whose tokens are accepted.',
      items: {
        type: 'object',
        additionalProperties: false,
        required: ['issuer', 'audience'],
        properties: {
          issuer: {
            type: 'string',
            minLength: 1,
            description:
              'The claim `iss`, letter by letter. Without `jwks`, `keys` and `secret` it tells by OpenID Connect Discovery where its keys are.',
            examples: ['https://login.example.com'],
          },
          audience: {
            anyOf: [{ ...NAMES }, { const: false }],
            description:
              'What `aud` must name one of; `false` accepts tokens that were made for other services, too.',
            examples: [AUDIENCE],
          },
          jwks: { ...ISSUER_URL, description: 'Where its keys are.' },
          keys: {
            type: 'array',
            minItems: 1,
            items: { type: 'object', additionalProperties: true, required: ['kty'] },
            description: 'Its public keys, as JSON Web Keys.',
          },
          secret: secret({
            minLength: 32,
            description: 'The secret that it signs with, for HMAC. At least 32 bytes.',
          }),
          algorithms: {
            type: 'array',
            minItems: 1,
            uniqueItems: true,
            items: { type: 'string', enum: ALGORITHMS },
            description:
              'The only algorithms that are accepted. Default: RS256, PS256, ES256 and EdDSA, or HS256 with a secret.',
          },
          type: {
            type: 'string',
            minLength: 1,
            description:
              'What `typ` must say, such as `at+jwt`. Default: `at+jwt`, `JWT` or nothing.',
          },
          ...CLAIMS,
        },
      },
    },
  },
} as const

/** The option `oauth2`. */
export const OAUTH2 = {
  type: 'object',
  additionalProperties: false,
  required: ['introspection', 'clientId', 'clientSecret'],
  description: 'Opaque access tokens, which the authorization server is asked about (RFC 7662).',
  properties: {
    introspection: { ...ISSUER_URL, description: 'Where to ask.' },
    issuer: {
      type: 'string',
      minLength: 1,
      description: 'What `iss` must say, where the answer has one.',
    },
    clientId: { type: 'string', minLength: 1, description: 'What the gateway is called there.' },
    clientSecret: secret({ description: 'How it proves that.' }),
    authentication: {
      type: 'string',
      enum: ['basic', 'post'],
      default: 'basic',
      description: 'Whether the secret goes in the header or in the body.',
    },
    audience: { ...NAMES, description: 'What `aud` must name one of.', examples: [AUDIENCE] },
    scopes: {
      type: 'array',
      uniqueItems: true,
      items: { type: 'string', minLength: 1 },
      default: NO_NAMES,
      description: 'Scopes that a token must all have.',
    },
    ...CLAIMS,
  },
} as const
