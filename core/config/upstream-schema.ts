import { capabilitiesSchema } from '../dialects/capabilities-schema.ts'
import { demoSchema } from '../dialects/demo-schema.ts'
import { UPSTREAM_DIALECTS } from '../dialects/dialect.ts'
import { duration, type OptionsSchema } from './schema.ts'
import { oneOrMore, text } from './schema-parts.ts'
import { UPSTREAM_AUTH } from './upstream-auth-schema.ts'

/** The options of one upstream. */
export const UPSTREAM = {
  type: 'object',
  additionalProperties: false,
  description: 'A provider or service.',
  properties: {
    dialect: {
      ...oneOrMore({ enum: UPSTREAM_DIALECTS }),
      default: 'http',
      description:
        'The wire format that it speaks, or a list of them. http is any API; demo answers by itself, in any dialect.',
    },
    url: {
      ...text,
      description: 'Its base URL. The path of a request is added to it.',
      examples: ['https://api.openai.com/v1'],
    },
    endpoints: {
      type: 'array',
      minItems: 1,
      description: 'Several base URLs, instead of one.',
      items: {
        type: 'object',
        additionalProperties: false,
        required: ['url'],
        properties: {
          url: { ...text, description: 'A base URL.' },
          weight: {
            type: 'number',
            minimum: 0,
            default: 1,
            description: 'Its share of the requests, against the other weights.',
          },
        },
      },
    },
    keys: {
      type: 'array',
      items: {
        type: 'string',
        'x-kind': 'secret',
        description: 'A credential of the provider.',
      },
      default: [],
      description: 'Credentials, used in turn. Empty ones are left out.',
      examples: [['${OPENAI_API_KEY}']],
    },
    auth: UPSTREAM_AUTH,
    apiVersion: {
      ...text,
      description:
        'For azure-openai: the api-version of the older API, whose deployments are called like the models. Without it the newer one under /openai/v1 is asked.',
      examples: ['2024-10-21'],
    },
    headers: {
      type: 'object',
      additionalProperties: { anyOf: [{ type: 'string' }, { type: 'null' }] },
      propertyNames: {
        type: 'string',
        pattern: "^[A-Za-z0-9!#$%&'*+.^`|~-]+$",
        title: 'the name of a header field',
      },
      default: {},
      description:
        'Header fields set on each request, over what the client sent. null removes one.',
    },
    forwardCredentials: {
      type: 'boolean',
      default: false,
      description: "Passes the client's own credentials on, where the upstream has no keys.",
    },
    timeouts: {
      type: 'object',
      additionalProperties: false,
      default: {},
      description: 'How long to wait for it.',
      properties: {
        connect: duration({ default: '5s', description: 'For a connection.' }),
        firstByte: duration({ default: '120s', description: "For the answer's head." }),
        idle: duration({ default: '60s', description: 'Between two pieces of an answer.' }),
        total: duration({ default: '600s', description: 'For a whole attempt.' }),
      },
    },
    maxConnections: {
      type: 'integer',
      minimum: 1,
      default: 1_024,
      description: 'Connections to each endpoint at one time.',
    },
    models: {
      anyOf: [
        { type: 'array', items: text },
        { type: 'object', additionalProperties: text },
      ],
      default: [],
      description:
        'The models that it serves, for byModel and for lists of models: names and patterns (claude-*), or a map of aliases to the names that it knows.',
      examples: [['gpt-*'], { fast: 'gpt-4o-mini' }],
    },
    capabilities: {
      type: 'object',
      additionalProperties: capabilitiesSchema,
      default: {},
      description:
        'What its models take, over what the gateway knows of them: by name or pattern (qwen3-*), the first that fits.',
      examples: [{ 'qwen3-*': { images: false, maxOutputTokens: 32768 } }],
    },
    demo: {
      ...demoSchema,
      default: {},
      description: 'How an upstream of the dialect demo answers.',
    },
  },
} as const satisfies OptionsSchema
