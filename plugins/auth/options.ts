import { duration, type Json, type Schema, secret } from '#core/sdk.ts'

// Lists of JSON, which constants would make read-only.
const NO_NAMES: Json[] = []
const GUEST: Json[] = ['guest']
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
  },
} as const
