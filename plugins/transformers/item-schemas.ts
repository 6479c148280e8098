import { expression, type Json } from '#core/sdk.ts'

const HEADER_NAME = "^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}$"

/** A path into a JSON body. */
export const PATH = {
  type: 'string',
  minLength: 1,
  maxLength: 256,
  description: 'A path in the JSON: `metadata.internal`, `messages[0].name`, `messages[].name`.',
} as const

/** Widened, so that an option may state another. */
export const EMPTY: Json[] = []
/** The same for maps. */
export const EMPTY_MAP: { [name: string]: Json } = {}

/** To which of a client's documents a rule applies. */
export const ON_INPUT = {
  type: 'array',
  minItems: 1,
  uniqueItems: true,
  items: { type: 'string', enum: ['request', 'messages'] },
  default: ['request', 'messages'] as Json[],
  description: 'Whether it applies to requests, to WebSocket messages of the client, or to both.',
} as const

/** To which answers a rule applies. */
export const ON_OUTPUT = {
  type: 'array',
  minItems: 1,
  uniqueItems: true,
  items: { type: 'string', enum: ['answer', 'events', 'messages'] },
  default: ['answer', 'events', 'messages'] as Json[],
  description:
    'Whether it applies to plain answers, to each JSON event of a stream, to WebSocket messages of the upstream.',
} as const

const KINDS = {
  type: 'array',
  minItems: 1,
  uniqueItems: true,
  items: {
    type: 'string',
    enum: ['text', 'refusal', 'reasoning', 'arguments', 'quote', 'field'],
  },
  default: ['text', 'refusal', 'reasoning', 'quote', 'field'] as Json[],
  description:
    'Which texts: what is said (`text`, `refusal`), thought (`reasoning`), handed to tools (`arguments`, JSON), given again as a source (`quote`), or any text where no LLM API is spoken (`field`).',
} as const

/** The schema of validateSchema, for requests or for answers. */
export function validateSchema<const O extends object>(
  description: string,
  names: string,
  more: O,
) {
  return {
    type: 'object',
    additionalProperties: false,
    required: ['type', 'schema'],
    description,
    properties: {
      type: { const: 'validateSchema', description },
      schema: {
        anyOf: [
          { type: 'string', minLength: 1 },
          { type: 'object', additionalProperties: true },
        ],
        description: `A built-in name (${names}), \`file:PATH\`, or a JSON Schema (2020-12).`,
        examples: ['openai-chat', 'file:./order.schema.json'],
      },
      ...more,
    },
  } as const
}

/** The schema of filterContent. */
export function filterContent<const O extends object>(more: O) {
  return {
    type: 'object',
    additionalProperties: false,
    required: ['type'],
    description: 'Replaces personal data, or what patterns match, in texts.',
    properties: {
      type: {
        const: 'filterContent',
        description: 'Replaces personal data, or what patterns match, in texts.',
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
        description: 'What stands in the place of what a pattern matches.',
      },
      personalData: {
        type: 'boolean',
        description:
          'Whether email addresses, card numbers, IBANs, SSNs, phone numbers, keys and tokens are replaced by their kind, such as `[email]`. By default where there are no patterns.',
      },
      kinds: KINDS,
      ...more,
    },
  } as const
}

/** The schema of addMetadata, with where it puts what. */
export function addMetadata<const O extends object>(description: string, more: O) {
  return {
    type: 'object',
    additionalProperties: false,
    required: ['type'],
    description,
    properties: { type: { const: 'addMetadata', description }, ...more },
  } as const
}

/** The schema of addHeaders; its values see what their side has. */
export function addHeaders<const S extends 'request' | 'response'>(scope: S) {
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

/** The schema of modifyBody. */
export function modifyBody<const S extends 'request' | 'response', const O extends object>(
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

/** The schema of removeFields. */
export function removeFields<const O extends object>(more: O) {
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
