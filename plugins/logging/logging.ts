import redactor from '@pinojs/redact'
import { MASK, maskSecrets } from '#core/kit/secret.ts'
import {
  bytes,
  definePlugin,
  duration,
  expression,
  type ExchangeView,
  type Json,
  type Outcome,
  type Part,
} from '#core/sdk.ts'
import { AUDIT_EVENTS, startAudit } from './audit.ts'
import { auditRoutes } from './audit-routes.ts'
import { type Capture, lineOf, OWN_FIELDS } from './line.ts'
import { openSinks } from './open-sinks.ts'
import { SINK } from './sink-options.ts'

const LEVELS = ['debug', 'info', 'warn', 'error'] as const
const EVERY_EVENT: Json[] = [...AUDIT_EVENTS]
const NOTHING: Json[] = []
const DESTINATIONS: Json[] = [
  'stderr',
  { file: './logs/exchanges.log', size: '100mb', keep: 10 },
  ['stdout', { otlp: 'http://127.0.0.1:4318/v1/logs' }],
]

export default definePlugin({
  name: 'logging',
  stage: 'observe',
  summary: 'Writes one JSON line per exchange, with credentials and personal data left out.',

  schema: {
    type: 'object',
    additionalProperties: false,
    properties: {
      level: {
        type: 'string',
        enum: LEVELS,
        default: 'info',
        description:
          'The least that is written: `info` every exchange, `warn` those refused or left, `error` those that failed.',
      },
      requests: {
        type: 'object',
        additionalProperties: false,
        default: {},
        description: 'What of requests is written beside method and path.',
        properties: {
          logBody: {
            type: 'boolean',
            default: false,
            description: 'The JSON body as the client sent it. Reads the body.',
          },
          logHeaders: {
            type: 'boolean',
            default: false,
            description: 'The header fields, credentials masked.',
          },
          logMetadata: {
            type: 'boolean',
            default: false,
            description:
              'Address, host, protocol, dialect, model and query, credentials masked. Reads the body for the model.',
          },
          sanitizePII: {
            type: 'boolean',
            default: true,
            description:
              'Replaces email addresses, card numbers, IBANs, SSNs, phone numbers and keys by their kind.',
          },
        },
      },
      responses: {
        type: 'object',
        additionalProperties: false,
        default: {},
        description: 'What of answers is written beside status and sizes.',
        properties: {
          logBody: {
            type: 'boolean',
            default: false,
            description: 'The JSON body, or the events of a stream. Reads the body.',
          },
          logHeaders: {
            type: 'boolean',
            default: false,
            description: 'The header fields, credentials masked.',
          },
          logTokens: {
            type: 'boolean',
            default: true,
            description: 'The tokens that the answer was billed for, where its dialect says.',
          },
          sanitizePII: {
            type: 'boolean',
            default: true,
            description: 'The same as for requests.',
          },
        },
      },
      audit: {
        type: 'object',
        additionalProperties: false,
        default: {},
        description: 'Rows in the journal `audit` of the ledger, which survive a crash.',
        properties: {
          enabled: { type: 'boolean', default: false, description: 'Whether rows are kept.' },
          events: {
            type: 'array',
            uniqueItems: true,
            items: { type: 'string', enum: AUDIT_EVENTS },
            default: EVERY_EVENT,
            description:
              '`auth`: who was let in, or refused for want of a credential or right; `rateLimit`: over a limit; `error`: failed otherwise; `costThreshold`: told by a step; `config`: a config put in force or refused; `admin`: an operation on the admin listener.',
          },
          keep: duration({
            minimum: 60_000,
            description: 'How long rows are kept; for ever by default.',
          }),
        },
      },
      fields: {
        type: 'object',
        default: {},
        propertyNames: { type: 'string', pattern: '^[A-Za-z][\\w-]{0,63}$' },
        additionalProperties: expression({ 'x-scope': 'response' }),
        description: 'Further fields of the line, by expression. Not sanitized.',
        examples: [{ tenant: '$consumer.tenant' }],
      },
      redact: {
        type: 'array',
        items: {
          type: 'string',
          minLength: 1,
          maxLength: 256,
          examples: ['request.body.messages[*].content'],
        },
        default: NOTHING,
        description: 'Paths in the line whose value is masked; `[*]` is every item.',
      },
      sample: {
        type: 'number',
        minimum: 0,
        maximum: 1,
        default: 1,
        description: 'The share of `info` lines that is written. Warnings and errors always are.',
      },
      destination: {
        anyOf: [
          ...SINK.anyOf,
          { type: 'array', minItems: 1, maxItems: 8, items: SINK, description: 'Several of them.' },
        ],
        default: 'stdout',
        description:
          'Where lines go: `stdout`, `stderr`, a file, a file that begins anew, an HTTP service, an OpenTelemetry collector, or a list of them.',
        examples: DESTINATIONS,
      },
      bodyLimit: bytes({
        default: '16kb',
        description: 'About how much of one body is written.',
      }),
      buffer: bytes({
        minimum: 65_536,
        default: '1mb',
        description: 'What may wait for a slow destination. Lines beyond are dropped and counted.',
      }),
    },
  },

  reads: ({ requests, responses }) => {
    const parts: Part[] = []
    if (requests.logBody) parts.push('request.body')
    if (requests.logMetadata) parts.push('request.model')
    if (responses.logBody) parts.push('response.body')
    return parts
  },

  check({ redact, fields }, report) {
    redact.forEach((path, index) => {
      const problem = redactProblem(path)
      if (problem !== undefined) report.error(['redact', index], problem)
    })
    for (const name of Object.keys(fields)) {
      if (OWN_FIELDS.has(name)) report.error(['fields', name], 'is a field of every line already')
    }
  },

  async setup(options, host) {
    const { level, requests, responses, audit: auditOptions, sample, redact, bodyLimit } = options
    const sinks = await openSinks(options.destination, options.buffer, host)
    const audit = auditOptions.enabled ? startAudit(auditOptions, host) : undefined
    const stringify = redact.length === 0 ? JSON.stringify : redactorOf(redact)
    const least = LEVELS.indexOf(level)
    const captures = new WeakMap<ExchangeView, Capture>()

    function write(level: Level, line: object): void {
      const members = stringify(line).slice(1, -1)
      const text = `{"level":"${level}","time":${host.now()},${members},"msg":"exchange"}\n`
      const clean = maskSecrets(text)
      for (const sink of sinks) sink.write(clean)
    }

    function isWritten(level: Level): boolean {
      if (LEVELS.indexOf(level) < least) return false
      return level !== 'info' || sample === 1 || host.random() < sample
    }

    return {
      ...((requests.logBody || requests.logHeaders || responses.logBody) && {
        request(exchange) {
          const { headers, body } = exchange.req
          captures.set(exchange, { headers: { ...headers }, body, events: [], size: 0 })
        },
      }),

      ...(responses.logBody && {
        chunk(chunk, exchange) {
          const capture = captures.get(exchange)
          if (chunk.isWhole || capture === undefined || capture.size > bodyLimit) return undefined
          const data = chunk.data.slice(0, bodyLimit)
          capture.events.push(data)
          capture.size += data.length
          return undefined
        },
      }),

      done(exchange, outcome) {
        const level = levelOf(outcome)
        if (isWritten(level)) {
          write(level, lineOf(exchange, outcome, captures.get(exchange), options))
        }
        if (outcome.error) audit?.failed(exchange, outcome.error)
      },

      ...(audit && { admin: auditRoutes(host) }),

      async close() {
        await audit?.close()
        await Promise.all(sinks.map((sink) => sink.close()))
      },
    }
  },
})

type Level = Exclude<(typeof LEVELS)[number], 'debug'>

/** Failures of ours or of the upstream's are errors; refusals, and clients that left, are warnings. */
function levelOf({ end, status, error }: Outcome): Level {
  if (end === 'client-closed') return 'warn'
  // The status of an answer that broke off later is not the whole story.
  const worst = Math.max(status, error?.status ?? 0)
  if (end === 'upstream-cut' || end === 'timeout' || worst >= 500) return 'error'
  return worst >= 400 ? 'warn' : 'info'
}

/** Writes a line as JSON, with the values at these paths masked. Throws for what is no path. */
function redactorOf(paths: readonly string[]): (line: object) => string {
  return redactor({ paths: [...paths], censor: MASK }) as (line: object) => string
}

function redactProblem(path: string): string | undefined {
  try {
    redactorOf([path])
    return undefined
  } catch {
    return `expected a path such as request.body.messages[*].content, got ${JSON.stringify(path)}`
  }
}
