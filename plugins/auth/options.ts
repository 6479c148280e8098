import { duration, type Json, type Schema, secret } from '#core/sdk.ts'
import { SCRYPT_PATTERN } from './basic.ts'
import { GRANT, NO_NAMES } from './grant-options.ts'

const GUEST: Json[] = ['guest']

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

const STATIC_KEY = fixed('key', {
  key: secret({ minLength: 16, description: 'The key itself.' }),
})
const STATIC_TOKEN = fixed('token', {
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
