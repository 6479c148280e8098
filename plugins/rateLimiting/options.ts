import { duration, expression, type Expression, type Infer, type Json } from '#core/sdk.ts'

const STRATEGY = {
  type: 'string',
  enum: ['token-bucket', 'sliding-window', 'fixed-window'],
} as const

const BURST = { type: 'number', maximum: 1_000 } as const

const UNITS = {
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
} as const

const LIMIT = {
  type: 'object',
  additionalProperties: false,
  required: ['window'],
  properties: UNITS,
} as const

const NAMED = {
  type: 'object',
  additionalProperties: false,
  required: ['window', 'key'],
  properties: {
    ...UNITS,
    key: expression({
      description: 'What is counted together, by expression; null leaves the request uncounted.',
      examples: ['$consumer.team', '$req.headers.x-tenant'],
      'x-scope': 'request',
    }),
  },
} as const

function oneOrMore<const S extends object>(limit: S, description: string) {
  return {
    anyOf: [limit, { type: 'array', minItems: 1, maxItems: 8, items: limit }],
    description,
  } as const
}

const LIMITS = {
  type: 'object',
  maxProperties: 16,
  propertyNames: { type: 'string', pattern: '^[A-Za-z][\\w-]{0,31}$', examples: ['perTeam'] },
  properties: {
    perUser: oneOrMore(
      LIMIT,
      'For each user: `consumer.user`, else `consumer.id`; the address where no step has said who calls.',
    ),
    perAPIKey: oneOrMore(
      LIMIT,
      'For each API key: `consumer.keyId`, else the credential that was presented. Who presents none is not counted.',
    ),
    perIP: oneOrMore(LIMIT, 'For each client address.'),
  },
  additionalProperties: oneOrMore(
    NAMED,
    'A limit of your own, with a `key`; a list is several windows.',
  ),
} as const

const UNLIMITED: Json = { limits: {} }
const RESTRICTED: Json = { factor: 0.1 }
const NOTHING: Json = {}

function level<const O extends object>(option: O) {
  return {
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
        description: "Take the place of the step's limits; `{}` is without any.",
      },
    },
    ...option,
  } as const
}

/** The options of rateLimiting. */
export const OPTIONS = {
  type: 'object',
  additionalProperties: false,
  required: ['limits'],
  properties: {
    limits: {
      ...LIMITS,
      description: 'What is counted, by name. A request must fit into all of them.',
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
        'The limits for those of one level: `consumer.rateLimit` chooses it. Who has none, or one that is not here, gets the limits as they stand.',
      properties: {
        unlimited: level({ default: UNLIMITED, description: 'For those who are trusted.' }),
        standard: level({ default: NOTHING, description: 'The limits as they stand.' }),
        restricted: level({ default: RESTRICTED, description: 'For guests.' }),
      },
      additionalProperties: level({ description: 'A level of your own.' }),
    },
    scope: {
      type: 'string',
      pattern: '^[\\w.-]{1,64}$',
      description:
        'Steps with the same scope count together. By default each counts for itself, and so does an override of it.',
      examples: ['all-models'],
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
        'The share of each limit that a process counts by itself; 1 divided by the number of processes never lets more through.',
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
export interface Window {
  readonly requests?: number
  readonly tokens?: number
  readonly window: number
  readonly strategy?: Options['strategy']
  readonly burstAllowance?: number
  readonly key?: Expression
}

/** The limits of a step or a level, by name. */
export type Limits = Readonly<Record<string, Window | readonly Window[]>>
