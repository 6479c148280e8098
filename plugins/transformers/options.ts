import { expression, type Infer, type Json } from '#core/sdk.ts'

const HEADER_NAME = "^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}$"

const PATH = {
  type: 'string',
  minLength: 1,
  maxLength: 256,
  description: 'A path in the JSON: `metadata.internal`, `messages[0].name`, `messages[].name`.',
} as const

const EMPTY: Json[] = []
const BOTH: Json[] = ['answer', 'events']

/** To which answers a rule applies. */
const ON = {
  type: 'array',
  minItems: 1,
  uniqueItems: true,
  items: { type: 'string', enum: ['answer', 'events'] },
  default: BOTH,
  description: 'Whether it applies to plain answers, to each JSON event of a stream, or to both.',
} as const

function addHeaders<const S extends 'request' | 'response'>(scope: S) {
  return {
    type: 'object',
    additionalProperties: false,
    required: ['type', 'headers'],
    description: 'Sets header fields; null removes one.',
    properties: {
      type: { const: 'addHeaders', description: 'Sets or removes header fields.' },
      headers: {
        type: 'object',
        propertyNames: { type: 'string', pattern: HEADER_NAME },
        additionalProperties: expression({ 'x-scope': scope }),
        description: 'Values by name: text, an expression, or null to remove the field.',
        examples: [{ 'X-Tenant': '$consumer.id', 'X-Debug': null }],
      },
    },
  } as const
}

function modifyBody<const S extends 'request' | 'response', const O extends object>(
  scope: S,
  more: O,
) {
  return {
    type: 'object',
    additionalProperties: false,
    required: ['type', 'rules'],
    description: 'Sets, removes and renames fields of the JSON body.',
    properties: {
      type: { const: 'modifyBody', description: 'Sets, removes and renames fields of the body.' },
      rules: {
        type: 'array',
        description: 'Done one after another, each on what the one before it left.',
        items: {
          type: 'object',
          additionalProperties: false,
          description: 'One of set, remove and rename.',
          properties: {
            set: { ...PATH, description: 'Path to set. Missing maps on the way are made.' },
            value: expression({
              description: 'What to set it to: text, a number, or an expression.',
              'x-scope': scope,
            }),
            literal: {
              description: 'What to set it to, taken as it stands; for maps and lists.',
              examples: [{ type: 'json_object' }],
            },
            remove: { ...PATH, description: 'Path to remove.' },
            rename: { ...PATH, description: 'Path to move; nothing happens where it is absent.' },
            to: { ...PATH, description: 'Where `rename` moves it, from the root of the body.' },
            when: expression({
              description: 'The rule is done only where this is true.',
              'x-scope': scope,
            }),
          },
        },
      },
      ...more,
    },
  } as const
}

function removeFields<const O extends object>(more: O) {
  return {
    type: 'object',
    additionalProperties: false,
    required: ['type', 'fields'],
    description: 'Removes fields of the JSON body.',
    properties: {
      type: { const: 'removeFields', description: 'Removes fields of the body.' },
      fields: { type: 'array', items: PATH, description: 'Paths to remove; `[]` is every item.' },
      ...more,
    },
  } as const
}

/** The options of transformers: the roadmap's own words, each type with options of its own. */
export const OPTIONS = {
  type: 'object',
  additionalProperties: false,
  properties: {
    input: {
      type: 'array',
      default: EMPTY,
      description: 'Transformers of the request, done in this order.',
      items: {
        anyOf: [
          {
            type: 'object',
            additionalProperties: false,
            required: ['type', 'schema'],
            description: 'Refuses requests whose body does not fit a schema.',
            properties: {
              type: {
                const: 'validateSchema',
                description: 'Refuses bodies that do not fit a schema.',
              },
              schema: {
                anyOf: [
                  { type: 'string', minLength: 1 },
                  { type: 'object', additionalProperties: true },
                ],
                description:
                  'A built-in name (`openai-chat`, `openai-responses`, `anthropic`, `gemini`), `file:PATH`, or a JSON Schema (2020-12).',
                examples: ['openai-chat', 'file:./order.schema.json'],
              },
            },
          },
          addHeaders('request'),
          modifyBody('request', {}),
          removeFields({}),
        ],
      },
    },
    output: {
      type: 'array',
      default: EMPTY,
      description: 'Transformers of the answer, done in this order.',
      items: {
        anyOf: [
          {
            type: 'object',
            additionalProperties: false,
            required: ['type'],
            description: "Brings the answer into the client's dialect.",
            properties: {
              type: {
                const: 'normalizeResponse',
                description:
                  "Brings the answer into the client's dialect; where both are the same, as today, it stays as it is.",
              },
            },
          },
          {
            type: 'object',
            additionalProperties: false,
            required: ['type'],
            description: 'Says with the answer where it came from.',
            properties: {
              type: { const: 'addMetadata', description: 'Adds where the answer came from.' },
              field: {
                anyOf: [{ type: 'string', minLength: 1, maxLength: 256 }, { const: null }],
                default: 'gateway',
                description:
                  'Path in a plain JSON answer for `requestId`, `route`, `upstream`, `attempt` and `durationMs`; null leaves the body alone.',
              },
              headers: {
                type: 'boolean',
                default: true,
                description:
                  'Adds `x-sluice-route`, `x-sluice-upstream`, `x-sluice-attempt` and `x-sluice-duration-ms`, to streams too.',
              },
            },
          },
          {
            type: 'object',
            additionalProperties: false,
            required: ['type'],
            description: 'Replaces what patterns match in the text of the answer.',
            properties: {
              type: {
                const: 'filterContent',
                description: 'Replaces what patterns match in the text of the answer.',
              },
              patterns: {
                type: 'array',
                default: EMPTY,
                items: {
                  type: 'string',
                  minLength: 1,
                  maxLength: 1_000,
                  examples: ['(?i)project falcon'],
                },
                description: 'Regular expressions in RE2 syntax; `(?i)` ignores case.',
              },
              replacement: {
                type: 'string',
                default: '',
                description: 'What stands in the place of a match.',
              },
              on: ON,
            },
          },
          addHeaders('response'),
          modifyBody('response', { on: ON }),
          removeFields({ on: ON }),
        ],
      },
    },
  },
} as const

/** The options, checked. */
export type Options = Infer<typeof OPTIONS>

/** One transformer of requests. */
export type Input = Options['input'][number]

/** One transformer of answers. */
export type Output = Options['output'][number]

/** True where a transformer changes a JSON body: a request's, a plain answer's, or the events of a stream. */
export function changesBody(item: Input | Output, form: 'request' | 'answer' | 'events'): boolean {
  if ('on' in item && form !== 'request' && !item.on.includes(form)) return false
  switch (item.type) {
    case 'modifyBody':
      return item.rules.length > 0
    case 'removeFields':
      return item.fields.length > 0
    case 'filterContent':
      return item.patterns.length > 0
    case 'addMetadata':
      return item.field !== null && form === 'answer'
    default:
      return false
  }
}
