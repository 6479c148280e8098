import { duration, ERRORS, expression, type Infer, type Json } from '#core/sdk.ts'

/** Failures that the next try may well not meet again. */
const ERRORS_BY_DEFAULT: Json[] = [
  'ECONNRESET',
  'ECONNREFUSED',
  'ETIMEDOUT',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'UPSTREAM_PROTOCOL',
  'OVERLOADED',
]
const STATUSES_BY_DEFAULT: Json[] = [408, 429, 500, 502, 503, 504, 529]
const FALLBACK_BY_DEFAULT: Json[] = [401, 402, 403, 404]

const NONE: Json[] = []
const EXAMPLE: Json[] = ['claude', { upstream: 'local', model: 'qwen3-32b' }]

const STATUS = { type: 'integer', minimum: 400, maximum: 599 } as const

/** The options of retryPolicy: the roadmap's own words, and what they leave open. */
export const OPTIONS = {
  type: 'object',
  additionalProperties: false,
  properties: {
    maxRetries: {
      type: 'integer',
      minimum: 0,
      maximum: 10,
      default: 2,
      description: 'Attempts after the first, over all upstreams together.',
    },
    backoffStrategy: {
      type: 'string',
      enum: ['exponential', 'linear', 'fixed'],
      default: 'exponential',
      description: 'How the delay between attempts at the same target grows.',
    },
    initialDelay: duration({ default: '250ms', description: 'The delay before the first retry.' }),
    maxDelay: duration({ default: '8s', description: 'The longest delay of our own making.' }),
    jitter: {
      type: 'boolean',
      default: true,
      description: 'Takes any time up to the delay, so that clients do not come back all at once.',
    },
    maxRetryAfter: duration({
      default: '60s',
      description:
        'The longest wait that a provider may ask for (`retry-after` and its like); above, its answer is passed on.',
    }),
    retryableErrors: {
      type: 'array',
      uniqueItems: true,
      default: ERRORS_BY_DEFAULT,
      items: { type: 'string', minLength: 1, maxLength: 64, examples: ['ECONNRESET', '429'] },
      description:
        "Failures that are tried again: Node's codes (`ECONNRESET` for any broken connection, `ETIMEDOUT` for any timeout), the gateway's (`UPSTREAM_PROTOCOL`), a provider's own (`overloaded_error`), or a status.",
    },
    retryableStatusCodes: {
      type: 'array',
      uniqueItems: true,
      default: STATUSES_BY_DEFAULT,
      items: STATUS,
      description: 'Statuses of answers that are tried again.',
    },
    retryWhen: expression({
      'x-scope': 'response',
      description:
        'Also tries again where this is true of a failed attempt; `$vars.failure` holds its `status`, `code` and `kind`.',
      examples: [{ eq: ['$vars.failure.kind', 'contextLength'] }],
    }),
    idempotent: {
      type: 'boolean',
      default: false,
      description:
        'On routes of plain HTTP: says that POST and PATCH may be repeated even where the upstream may have acted on them already. LLM APIs, and requests with an `idempotency-key`, are.',
    },
    deadline: duration({
      minimum: 1,
      default: '10m',
      description: 'For the whole request, waiting and all attempts included; none is begun later.',
    }),
    attemptTimeout: duration({
      minimum: 1,
      description:
        "How long an attempt may take to begin its answer, where the upstream's own patience is too long to leave time for another.",
    }),
    fallback: {
      type: 'array',
      maxItems: 10,
      default: NONE,
      description: 'Upstreams that are asked when the first one fails, in this order.',
      items: {
        anyOf: [
          { type: 'string', minLength: 1, description: 'The name of an upstream.' },
          {
            type: 'object',
            additionalProperties: false,
            description: 'An upstream, a model, or both.',
            properties: {
              upstream: {
                type: 'string',
                minLength: 1,
                description: 'The name of an upstream; the one of the attempt before by default.',
              },
              model: {
                type: 'string',
                minLength: 1,
                description: "The model to ask for, in the upstream's own words.",
              },
              when: expression({
                'x-scope': 'response',
                description: 'Only for failures for which this is true, like `retryWhen`.',
              }),
            },
          },
        ],
      },
      examples: [EXAMPLE],
    },
    fallbackAfter: {
      type: 'integer',
      minimum: 1,
      maximum: 10,
      default: 1,
      description: 'Attempts at one target before the next is asked.',
    },
    fallbackStatusCodes: {
      type: 'array',
      uniqueItems: true,
      default: FALLBACK_BY_DEFAULT,
      items: STATUS,
      description:
        'Statuses that are no use to try again at the same target, but another may do better: its key, its quota, its models.',
    },
    holdStream: duration({
      default: '10s',
      description:
        'How long the head of an event stream is held back until the first content, so that one that turns into an error is tried again; 0 passes it on at once.',
    }),
    budget: {
      type: 'object',
      additionalProperties: false,
      default: {},
      description: 'Keeps retries from multiplying the load of an upstream that is down.',
      properties: {
        share: {
          type: 'number',
          minimum: 0,
          maximum: 1,
          default: 0.2,
          description: 'Retries per request, over the window.',
        },
        min: {
          type: 'integer',
          minimum: 0,
          default: 3,
          description: 'Retries in a window that are allowed whatever the share comes to.',
        },
        window: duration({
          minimum: 1_000,
          default: '10s',
          description: 'Over how long both are counted.',
        }),
      },
    },
    stopClientRetries: {
      type: 'boolean',
      default: true,
      description:
        'Tells official SDKs with `x-should-retry: false` not to retry what was retried here.',
    },
  },
} as const

/** The options, checked. */
export type Options = Infer<typeof OPTIONS>

/** The gateway's codes, Node's and a provider's: what `retryableErrors` may say. */
export function isErrorName(name: string): boolean {
  return (
    Object.hasOwn(ERRORS, name) || /^(?:E[A-Z_]+|UND_ERR_[A-Z_]+|[45]\d\d|[a-z][\w.-]+)$/.test(name)
  )
}
