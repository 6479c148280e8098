import type { Infer, Json } from '#core/sdk.ts'
import {
  addHeaders,
  addMetadata,
  EMPTY,
  EMPTY_MAP,
  filterContent,
  modifyBody,
  ON_INPUT,
  ON_OUTPUT,
  PATH,
  removeFields,
  validateSchema,
} from './item-schemas.ts'

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
          validateSchema(
            'Refuses requests whose body does not fit a schema.',
            '`openai-chat`, `openai-responses`, `anthropic`, `gemini`',
            { on: { ...ON_INPUT, default: ['request'] as Json[] } },
          ),
          addMetadata('Says with the request where it comes from.', {
            field: {
              anyOf: [{ type: 'string', minLength: 1, maxLength: 256 }, { const: null }],
              default: null,
              description: 'Path in a JSON body for `requestId` and `route`; null leaves it alone.',
            },
            headers: {
              type: 'boolean',
              default: true,
              description: 'Adds `x-sluice-request-id` and `x-sluice-route`.',
            },
          }),
          filterContent({ on: ON_INPUT }),
          addHeaders('request'),
          modifyBody('request', { on: ON_INPUT }),
          removeFields({ on: ON_INPUT }),
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
                description: "Brings the answer into the form of the client's dialect.",
              },
              dialect: {
                type: 'string',
                enum: ['openai-chat', 'openai-responses', 'anthropic', 'gemini'],
                description:
                  "The dialect whose fields are put in where they are missing. By default the client's; answers of another dialect are left alone.",
              },
              fields: {
                type: 'object',
                default: EMPTY_MAP,
                propertyNames: PATH,
                additionalProperties: {},
                description:
                  'Further fields by path, with what they are given where they are missing.',
                examples: [{ system_fingerprint: null, 'choices[].message.annotations': EMPTY }],
              },
              on: {
                ...ON_OUTPUT,
                items: { type: 'string', enum: ['answer', 'events'] },
                default: ['answer', 'events'] as Json[],
              },
            },
          },
          validateSchema(
            'Holds answers against a schema.',
            '`openai-chat`, `openai-responses`, `anthropic`, `gemini`, each for answers and events',
            {
              onFail: {
                type: 'string',
                enum: ['error', 'log'],
                default: 'error',
                description:
                  'What an answer comes to that does not fit: an error in its place, or a line in the log alone.',
              },
              on: { ...ON_OUTPUT, default: ['answer'] as Json[] },
            },
          ),
          addMetadata('Says with the answer where it came from.', {
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
          }),
          filterContent({ on: ON_OUTPUT }),
          addHeaders('response'),
          modifyBody('response', { on: ON_OUTPUT }),
          removeFields({ on: ON_OUTPUT }),
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

/** Any transformer. */
export type Item = Input | Output

/** A document: a request's body, a plain answer, an event of a stream, or a WebSocket message. */
export type Form = 'request' | 'answer' | 'event' | 'message'

const PLACES: Readonly<Record<Form, string>> = {
  request: 'request',
  answer: 'answer',
  event: 'events',
  message: 'messages',
}

/** True where a transformer looks at that form of document, or changes it. */
export function appliesTo(item: Item, form: Form): boolean {
  if ('on' in item) {
    const places: readonly string[] = item.on
    if (!places.includes(PLACES[form])) return false
  }
  switch (item.type) {
    case 'modifyBody':
      return item.rules.length > 0
    case 'removeFields':
      return item.fields.length > 0
    case 'addMetadata':
      return item.field !== null && (form === 'request' || form === 'answer')
    case 'addHeaders':
      return false
    default:
      return true
  }
}
