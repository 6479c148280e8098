import { secret, type OptionsSchema } from './schema.ts'
import { text } from './schema-parts.ts'

const CLIENT_CREDENTIALS = {
  type: 'object',
  additionalProperties: false,
  required: ['type', 'tokenUrl', 'clientId', 'clientSecret'],
  description: 'A token that an OAuth2 server gives to the gateway as its client (RFC 6749 §4.4).',
  properties: {
    type: {
      const: 'oauth2-client-credentials',
      description: 'A token that an OAuth2 server gives to the gateway as its client.',
    },
    tokenUrl: {
      ...text,
      description: "The server's token endpoint.",
      examples: ['https://login.microsoftonline.com/TENANT/oauth2/v2.0/token'],
    },
    clientId: { ...text, description: 'Who the gateway is, to that server.' },
    clientSecret: secret({ minLength: 0, description: 'Its secret.' }),
    clientAuth: {
      enum: ['basic', 'post'],
      default: 'basic',
      description: 'Whether id and secret go in the Authorization field or in the body.',
    },
    scope: {
      ...text,
      description: 'What the token shall be good for.',
      examples: ['https://cognitiveservices.azure.com/.default'],
    },
    parameters: {
      type: 'object',
      additionalProperties: { type: 'string' },
      default: {},
      description:
        'More fields of the token request, as some servers want them: audience, resource.',
    },
  },
} as const satisfies OptionsSchema

const SERVICE_ACCOUNT = {
  type: 'object',
  additionalProperties: false,
  required: ['type', 'key'],
  description: 'A token that Google gives to a service account.',
  properties: {
    type: {
      const: 'google-service-account',
      description: 'A token that Google gives to a service account.',
    },
    key: secret({
      minLength: 0,
      description: "The account's key, as the JSON file that Google Cloud makes.",
      examples: ['${file:/run/secrets/google.json}'],
    }),
    scope: {
      ...text,
      default: 'https://www.googleapis.com/auth/cloud-platform',
      description: 'What the token shall be good for.',
    },
  },
} as const satisfies OptionsSchema

const SIGV4 = {
  type: 'object',
  additionalProperties: false,
  required: ['type', 'accessKeyId', 'secretAccessKey'],
  description: 'A signature over each request, as AWS wants it (Signature Version 4).',
  properties: {
    type: {
      const: 'aws-sigv4',
      description: 'A signature over each request, as AWS wants it.',
    },
    accessKeyId: secret({
      minLength: 0,
      description: 'The id of the access key.',
      examples: ['${AWS_ACCESS_KEY_ID}'],
    }),
    secretAccessKey: secret({
      minLength: 0,
      description: 'The access key.',
      examples: ['${AWS_SECRET_ACCESS_KEY}'],
    }),
    sessionToken: secret({
      minLength: 0,
      description: 'Belongs to a key that is good for a while only.',
      examples: ['${AWS_SESSION_TOKEN:-}'],
    }),
    region: {
      ...text,
      description: 'Where the service runs. Default: what stands in the host name.',
      examples: ['eu-central-1'],
    },
    service: { ...text, default: 'bedrock', description: "The service's name for signatures." },
  },
} as const satisfies OptionsSchema

/** The credential of an upstream where a key is not enough. */
export const UPSTREAM_AUTH = {
  anyOf: [CLIENT_CREDENTIALS, SERVICE_ACCOUNT, SIGV4],
  description:
    'A credential that is fetched or made for the request, instead of keys: tokens are kept, renewed before they expire, and once when the upstream refuses one.',
} as const
