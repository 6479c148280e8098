import { duration, type Json, type Schema, secret } from '#core/sdk.ts'
import { ALGORITHMS } from './algorithms.ts'
import { SCRYPT_PATTERN } from './basic.ts'

// Lists of JSON, which constants would make read-only.
const NO_NAMES: Json[] = []
const GUEST: Json[] = ['guest']
const AUDIENCE: Json[] = ['llm-gateway']
const SUBJECT: Json = { id: 'sub' }
const KEYCLOAK: Json = { id: 'sub', roles: 'realm_access.roles', team: 'groups.0' }
const USER: Json[] = ['user']
const READ_GENERATE: Json[] = ['read', 'generate']
const SMALL_MODELS: Json[] = ['gpt-4o-mini', 'claude-*']

/** Who a credential stands for and what it may do: the same words for keys, tokens, users and guests. */
export const GRANT = {
  user: {
    type: 'string',
    minLength: 1,
    description: 'The person or service behind it: what `perUser` limits and quotas count by.',
  },
  project: { type: 'string', minLength: 1, description: 'The project it belongs to.' },
  team: { type: 'string', minLength: 1, description: 'The team it belongs to.' },
  plan: { type: 'string', minLength: 1, description: 'The plan it belongs to.' },
  roles: {
    type: 'array',
    uniqueItems: true,
    items: { type: 'string', minLength: 1 },
    default: NO_NAMES,
    description: 'Names of its roles.',
    examples: [USER],
  },
  rateLimit: {
    type: 'string',
    minLength: 1,
    description: 'Its level in `rateLimiting`, over that of its roles.',
    examples: ['standard'],
  },
} as const

const NAMES = {
  type: 'array',
  minItems: 1,
  uniqueItems: true,
  items: { type: 'string', minLength: 1 },
} as const

/** `api-key` and `bearer` credentials that stand in the config. */
function fixed<const S extends { readonly [name: string]: Schema }>(what: string, itself: S) {
  return {
    type: 'object',
    additionalProperties: false,
    required: ['id'],
    properties: {
      id: { type: 'string', minLength: 1, description: 'Names it, and whoever presents it.' },
      ...itself,
      digest: {
        type: 'string',
        pattern: '^sha256:[0-9a-f]{64}$',
        title: 'sha256: and 64 hexadecimal digits',
        description: `The ${what} as \`sluice keys digest\` prints it, in the place of the ${what} itself.`,
      },
      ...GRANT,
    },
  } as const
}

/** Keys that stand in the config. */
export const STATIC_KEY = fixed('key', {
  key: secret({ minLength: 16, description: 'The key itself.' }),
})
/** Bearer tokens that stand in the config. */
export const STATIC_TOKEN = fixed('token', {
  token: secret({ minLength: 16, description: 'The token itself.' }),
})

/** The option `apiKeys`. */
export const API_KEYS = {
  type: 'object',
  additionalProperties: false,
  default: {},
  description: 'How API keys are known.',
  properties: {
    pepper: secret({
      minLength: 16,
      description:
        'Mixed into the digests of keys, so that a copy of the store is of no use without it. Changing it makes all keys invalid.',
    }),
    static: {
      type: 'array',
      items: STATIC_KEY,
      default: NO_NAMES,
      description: 'Keys that stand in the config, beside those that `sluice keys` makes.',
    },
    query: {
      type: 'boolean',
      default: false,
      description:
        'Accepts a key in `?key=` too, as Google does. Queries end up in the logs of others.',
    },
    models: {
      type: 'boolean',
      default: false,
      description: 'Keys may be limited to models. Reads the body.',
    },
    maxKeys: {
      type: 'integer',
      minimum: 1,
      default: 100_000,
      description: 'Keys that may be in use at once; each node holds all of them in memory.',
    },
    maxStale: duration({
      default: '1h',
      description:
        'How long keys are accepted while the store cannot be asked whether they were revoked.',
    }),
  },
} as const

/** The option `bearer`. */
export const BEARER = {
  type: 'object',
  additionalProperties: false,
  default: {},
  description: 'Fixed tokens of services.',
  properties: {
    tokens: {
      type: 'array',
      items: STATIC_TOKEN,
      default: NO_NAMES,
      description: 'The tokens.',
    },
  },
} as const

/** The option `anonymous`. */
export const ANONYMOUS = {
  anyOf: [
    { type: 'boolean' },
    {
      type: 'object',
      additionalProperties: false,
      properties: { ...GRANT, roles: { ...GRANT.roles, default: GUEST } },
    },
  ],
  default: false,
  description:
    'Lets requests without a credential pass as guests, `true` with the role `guest`. A wrong credential is refused all the same.',
} as const

const AMOUNTS = {
  type: 'object',
  additionalProperties: false,
  minProperties: 1,
  properties: {
    requests: { type: 'integer', minimum: 0, description: 'Requests.' },
    tokens: { type: 'integer', minimum: 0, description: 'Tokens, of prompts and answers.' },
  },
} as const

/** How much somebody may use in a period. */
export const QUOTA = {
  type: 'object',
  additionalProperties: false,
  properties: {
    day: { ...AMOUNTS, description: 'In each day of UTC.' },
    month: { ...AMOUNTS, description: 'In each calendar month of UTC.' },
  },
} as const

/** The option `rbac`. */
export const RBAC = {
  type: 'object',
  additionalProperties: false,
  description: 'What roles may do. What no role allows is denied.',
  properties: {
    enabled: { type: 'boolean', default: true, description: 'Whether roles are looked at.' },
    roles: {
      type: 'object',
      default: {},
      description: 'The roles by name, the most generous first.',
      additionalProperties: {
        type: 'object',
        additionalProperties: false,
        properties: {
          permissions: {
            type: 'array',
            uniqueItems: true,
            items: { type: 'string', minLength: 1 },
            default: NO_NAMES,
            description: '`read`, `write`, an operation such as `generate`, or `*` for all.',
            examples: [READ_GENERATE],
          },
          rateLimit: {
            type: 'string',
            minLength: 1,
            description: 'Its level in `rateLimiting`.',
            examples: ['standard'],
          },
          routes: { ...NAMES, description: 'Ids of the only routes that it may use.' },
          methods: { ...NAMES, description: 'The only methods that it may use.' },
          models: {
            ...NAMES,
            description:
              'The only models that it may name; `*` stands for any text. Reads the body.',
            examples: [SMALL_MODELS],
          },
          quota: { ...QUOTA, description: 'How much each user with this role may use.' },
        },
      },
    },
    permission: {
      type: 'string',
      minLength: 1,
      description: 'What this step asks for, in the place of `read` or `write`.',
      examples: ['billing'],
    },
  },
} as const

/** The option `failures`. */
export const FAILURES = {
  type: 'object',
  additionalProperties: false,
  default: {},
  description: 'How many wrong credentials one address may present, counted by each process.',
  properties: {
    limit: {
      type: 'integer',
      minimum: 1,
      default: 30,
      description: 'Wrong credentials in one window, of an IPv4 address or an IPv6 /64.',
    },
    window: duration({ minimum: 1, default: '1m', description: 'Length of the window.' }),
    maxAddresses: {
      type: 'integer',
      minimum: 1,
      default: 10_000,
      description: 'Addresses remembered at once. The oldest is forgotten first.',
    },
  },
} as const

/** The option `quotas`. */
export const QUOTAS = {
  type: 'object',
  additionalProperties: false,
  description: 'How much each user may use in a day or a month.',
  properties: {
    perUser: {
      anyOf: [{ type: 'boolean' }, QUOTA],
      default: true,
      description:
        'What users have whose key and roles say nothing else; `true` leaves it to those.',
    },
    enforcement: {
      type: 'string',
      enum: ['strict', 'soft'],
      default: 'strict',
      description: '`strict` refuses what would go over; `soft` lets it pass and tells.',
    },
    maxOutput: {
      type: 'integer',
      minimum: 1,
      maximum: 10_000_000,
      default: 4_096,
      description:
        'Output tokens to reserve for one answer where the request sets no bound of its own.',
    },
    boundOutput: {
      type: 'boolean',
      default: false,
      description:
        'Sets `maxOutput` in requests without a bound, so that no answer takes more than was reserved.',
    },
    bytesPerToken: {
      type: 'number',
      minimum: 1,
      maximum: 8,
      default: 2,
      description:
        'Bytes of a prompt to reserve one token for. 1 is safe for any text, 2 for ordinary text.',
    },
    onStoreError: {
      type: 'string',
      enum: ['closed', 'open'],
      default: 'closed',
      description:
        'While the store is down: `closed` refuses with 503, `open` lets pass uncounted.',
    },
  },
} as const

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

/** The option `basic`. */
export const BASIC = {
  type: 'object',
  additionalProperties: false,
  default: {},
  description: 'Users with passwords, in the config.',
  properties: {
    users: {
      type: 'array',
      default: NO_NAMES,
      description: 'The users.',
      items: {
        type: 'object',
        additionalProperties: false,
        required: ['name'],
        properties: {
          name: {
            type: 'string',
            pattern: '^[^:]{1,128}$',
            title: 'a name without colons',
            description: 'How it signs in; the id of the consumer.',
          },
          password: secret({ minLength: 8, description: 'The password itself.' }),
          digest: {
            type: 'string',
            pattern: SCRYPT_PATTERN,
            title: 'what sluice keys digest --password prints',
            description: 'The password as `sluice keys digest --password` prints it.',
          },
          ...GRANT,
        },
      },
    },
  },
} as const
