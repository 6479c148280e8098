import { bytes, duration, type Infer, type Secret, secret } from '#core/sdk.ts'

const HEADERS = {
  type: 'object',
  propertyNames: { type: 'string', pattern: "^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}$" },
  additionalProperties: secret({ description: 'A value; never shown.' }),
  description: 'Header fields of each request, such as a token.',
  examples: [{ authorization: 'Bearer ${LOG_TOKEN}' }],
} as const

const URL_TEXT = { type: 'string', pattern: '^https?://', title: 'a URL' } as const

/** One place that lines go to. */
export const SINK = {
  anyOf: [
    {
      type: 'string',
      minLength: 1,
      description: '`stdout`, `stderr`, or a file to append to, as seen from where sluice runs.',
      examples: ['stderr', './logs/exchanges.log'],
    },
    {
      type: 'object',
      additionalProperties: false,
      required: ['file'],
      description: 'A file that begins anew by size or time; its name gets a number.',
      properties: {
        file: { type: 'string', minLength: 1, description: 'The path, such as `./logs/x.log`.' },
        size: bytes({ minimum: 1_024, description: 'Begins a new file above this size.' }),
        every: {
          type: 'string',
          enum: ['hour', 'day'],
          description: 'Begins a new file each hour or day, in local time.',
        },
        keep: {
          type: 'integer',
          minimum: 1,
          maximum: 10_000,
          description: 'Old files that are kept, beside the one in use; all by default.',
        },
      },
    },
    {
      type: 'object',
      additionalProperties: false,
      required: ['url'],
      description: 'An HTTP service that takes lines of JSON in batches (`application/x-ndjson`).',
      properties: {
        url: { ...URL_TEXT, description: 'Where batches are posted.' },
        headers: HEADERS,
        flush: duration({
          minimum: 10,
          default: '1s',
          description: 'How long a line waits for others, at most.',
        }),
        timeout: duration({ minimum: 1, default: '10s', description: 'For one batch.' }),
      },
    },
    {
      type: 'object',
      additionalProperties: false,
      required: ['otlp'],
      description: 'An OpenTelemetry collector, over OTLP/HTTP.',
      properties: {
        otlp: {
          ...URL_TEXT,
          description: 'The endpoint for logs.',
          examples: ['http://127.0.0.1:4318/v1/logs'],
        },
        headers: HEADERS,
        service: {
          type: 'string',
          minLength: 1,
          default: 'sluice',
          description: 'The resource attribute `service.name`.',
        },
      },
    },
  ],
} as const

/** The options of a sink, checked. */
export type SinkOptions = Infer<typeof SINK>

/** The header fields that a sink sends. */
export function revealed(headers: Readonly<Record<string, Secret>> = {}): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, value.reveal()]))
}
