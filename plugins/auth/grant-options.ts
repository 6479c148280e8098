import type { Json } from '#core/sdk.ts'

/** No names. Lists in schemas are JSON, which constants would make read-only. */
export const NO_NAMES: Json[] = []
const USER: Json[] = ['user']

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

/** A list of names that is not empty. */
export const NAMES = {
  type: 'array',
  minItems: 1,
  uniqueItems: true,
  items: { type: 'string', minLength: 1 },
} as const
