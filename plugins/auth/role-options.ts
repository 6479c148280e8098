import { ESTIMATE_OPTIONS } from '#core/dialects/estimate.ts'
import type { Json } from '#core/sdk.ts'
import { NAMES, NO_NAMES } from './grant-options.ts'

const READ_GENERATE: Json[] = ['read', 'generate']
const SMALL_MODELS: Json[] = ['gpt-4o-mini', 'claude-*']

const AMOUNTS = {
  type: 'object',
  additionalProperties: false,
  minProperties: 1,
  properties: {
    requests: { type: 'integer', minimum: 0, description: 'Requests.' },
    tokens: { type: 'integer', minimum: 0, description: 'Tokens, of prompts and answers.' },
  },
} as const

const QUOTA = {
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
    ...ESTIMATE_OPTIONS,
    onStoreError: {
      type: 'string',
      enum: ['closed', 'open'],
      default: 'closed',
      description:
        'While the store is down: `closed` refuses with 503, `open` lets pass uncounted.',
    },
  },
} as const
