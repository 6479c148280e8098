import { ESTIMATE_OPTIONS } from '#core/dialects/estimate.ts'
import { duration, expression, type Infer, type Json } from '#core/sdk.ts'

const STRATEGY = {
  type: 'string',
  enum: ['token-bucket', 'sliding-window', 'fixed-window'],
} as const

const BURST = { type: 'number', maximum: 1_000 } as const

const WINDOW = {
  type: 'object',
  additionalProperties: false,
  required: ['window'],
  properties: {
    key: expression({
      description:
        'What is counted together, for a limit of your own; where it is null the request is not counted.',
      examples: ['$consumer.team'],
      'x-scope': 'request',
    }),
    requests: {
      type: 'integer',
      minimum: 1,
      maximum: 1e12,
      description: 'Requests in one window.',
      examples: [100],
    },
    tokens: {
      type: 'integer',
      minimum: 1,
      maximum: 1e12,
      description: 'Tokens of prompts and answers in one window. Reads the body.',
      examples: [50_000],
    },
    window: duration({
      minimum: 1,
      description: 'Over how long it is counted.',
      examples: ['1m'],
    }),
    strategy: { ...STRATEGY, description: "Takes the place of the step's." },
    burstAllowance: { ...BURST, description: "Takes the place of the step's." },
  },
} as const

const LIMITS = {
  type: 'object',
  maxProperties: 16,
  propertyNames: { type: 'string', pattern: '^[A-Za-z][\\w-]{0,31}$', examples: ['perTeam'] },
  additionalProperties: {
    anyOf: [WINDOW, { type: 'array', minItems: 1, maxItems: 8, items: WINDOW }],
  },
} as const

const NOTHING: Json = {}

/** The levels that are known without a word. */
export const LEVELS: Options['levels'] = {
  unlimited: { factor: 1, limits: {} },
  standard: { factor: 1 },
  restricted: { factor: 0.1 },
}

/** The options of rateLimiting. */
export const OPTIONS = {
  type: 'object',
  additionalProperties: false,
  required: ['limits'],
  properties: {
    limits: {
      ...LIMITS,
      description:
        'What is counted, by name: `perUser`, `perAPIKey`, `perIP`, and names of your own that have a `key`. A list is several windows. A request must fit into all of them.',
      examples: [{ perUser: { requests: 100, tokens: 50_000, window: '1m' } }],
    },
    strategy: {
      ...STRATEGY,
      default: 'token-bucket',
      description:
        '`token-bucket` refills all the time; `sliding-window` never lets more than the limit into any window; `fixed-window` begins anew with each.',
    },
    burstAllowance: {
      ...BURST,
      default: 1,
      description: 'How much a token bucket holds, as a multiple of its limit.',
      examples: [1.5],
    },
    levels: {
      type: 'object',
      default: NOTHING,
      propertyNames: { type: 'string', pattern: '^[A-Za-z][\\w-]{0,31}$' },
      description:
        'Other limits for some, by the name that stands in `consumer.rateLimit`. `unlimited`, `standard` (the limits as they stand) and `restricted` (a tenth of them) are known.',
      examples: [{ gold: { factor: 5 } }],
      additionalProperties: {
        type: 'object',
        additionalProperties: false,
        properties: {
          factor: {
            type: 'number',
            exclusiveMinimum: 0,
            maximum: 1_000,
            default: 1,
            description: 'All limits times this.',
          },
          limits: {
            ...LIMITS,
            description: "Takes the place of the step's limits; `{}` is without any.",
          },
        },
      },
    },
    scope: {
      type: 'string',
      pattern: '^[\\w.-]{1,64}$',
      description:
        'Steps with the same scope count together. By default each counts for itself, and so does an override of it.',
      examples: ['all-models'],
    },
    ...ESTIMATE_OPTIONS,
    onStoreError: {
      type: 'string',
      enum: ['local', 'open', 'closed'],
      default: 'local',
      description:
        'While the store is down: `local` counts a share of each limit in this process, `open` lets pass, `closed` refuses with 503.',
    },
    localFraction: {
      type: 'number',
      exclusiveMinimum: 0,
      maximum: 1,
      default: 0.5,
      description:
        'The share of each limit that a process counts by itself, from nothing; with 1 divided by the number of processes, all of them together let at most the limit through once more.',
    },
    headers: {
      type: 'boolean',
      default: true,
      description: 'Tells clients where they stand, also with answers that pass.',
    },
    message: {
      type: 'string',
      minLength: 1,
      maxLength: 500,
      description: 'Stands before the words of a refusal.',
      examples: ['slow down, see https://docs.example.com/limits'],
    },
  },
} as const

/** The options, checked. */
export type Options = Infer<typeof OPTIONS>

/** One window of a limit, as it is written. */
export type Window = Infer<typeof WINDOW>

/** The limits of a step or a level, by name. */
export type Limits = Options['limits']

/** The windows of a limit: one, or a list. */
export function windowsOf(limit: Limits[string]): readonly Window[] {
  return isList(limit) ? limit : [limit]
}

/** True for a limit that is a list of windows. */
export function isList(limit: Limits[string]): limit is readonly Window[] {
  return Array.isArray(limit)
}
