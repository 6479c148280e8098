import { CLIENT_DIALECTS } from '../dialects/dialect.ts'
import { bytes, duration, expression, type OptionsSchema } from './schema.ts'
import { oneOrMore, steps, text } from './schema-parts.ts'

const LLM_NAMES = ['openai-chat', 'openai-responses', 'anthropic', 'gemini'] as const

const match = {
  type: 'object',
  additionalProperties: false,
  default: {},
  description:
    'What a request must look like. All that is given must hold; nothing given matches all.',
  properties: {
    method: {
      ...oneOrMore({ type: 'string', pattern: '^[A-Za-z]{1,20}$', title: 'a method such as POST' }),
      description: 'The method, or a list of them.',
    },
    path: {
      ...oneOrMore(text),
      description:
        'The path, or a list of them: /v1/models/{model} takes one segment, /files/* the rest.',
    },
    host: {
      ...oneOrMore({
        type: 'string',
        pattern: '^(\\*\\.)?[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$|^\\[[0-9a-fA-F:.]+\\]$',
        title: 'a host name without port, such as api.example.com or *.example.com',
      }),
      description:
        'The host name without port, or a list of them. *.example.com takes one or more labels.',
    },
    headers: {
      type: 'object',
      additionalProperties: { type: 'string' },
      default: {},
      description: 'Header fields by name and value. * means: present.',
    },
    query: {
      type: 'object',
      additionalProperties: { type: 'string' },
      default: {},
      description: 'Query parameters by name and value. * means: present.',
    },
    protocol: {
      enum: ['http', 'websocket'],
      default: 'http',
      description: 'Plain requests, or WebSocket upgrades.',
    },
    when: expression({
      'x-scope': 'match',
      description: 'An expression that must hold. It sees the head of the request.',
    }),
    api: {
      ...oneOrMore({ enum: ['llm', ...LLM_NAMES] }),
      description: "All endpoints of a dialect's API, or of several. llm means all of them.",
    },
  },
} as const satisfies OptionsSchema

/** The options of one route. */
export const ROUTE = {
  type: 'object',
  additionalProperties: false,
  required: ['id'],
  description: 'Matches requests; names what runs and where they go.',
  properties: {
    id: {
      type: 'string',
      pattern: '^[A-Za-z0-9][\\w.-]{0,63}$',
      title: 'a name of letters, digits, _, . and -',
      description: 'Its name in logs, metrics and explain.',
    },
    match,
    dialect: {
      enum: CLIENT_DIALECTS,
      description:
        'What clients speak here. It follows from the endpoint where that is a known one.',
    },
    pipeline: {
      anyOf: [{ type: 'string', title: 'the name of a pipeline' }, steps],
      default: [],
      description: 'The name of a pipeline, or steps written here.',
    },
    // An expression whose operators depend on the upstreams, so the loader compiles it.
    upstream: {
      description:
        'The name of an upstream, or an expression that gives one. { byModel: [] } lets the model decide.',
      examples: [
        'openai',
        { if: [{ startsWith: ['$req.body.model', 'claude'] }, 'claude', 'openai'] },
      ],
    },
    override: {
      type: 'object',
      additionalProperties: { type: 'object', additionalProperties: true },
      default: {},
      description:
        "Changes to the pipeline's steps for this route, by plugin or step id. Maps merge, lists and scalars replace, null restores the default.",
    },
    stripPrefix: {
      type: 'string',
      pattern: '^/.*[^/]$|^$',
      title: 'a path without a slash at its end, such as /openai',
      default: '',
      description: 'Taken off the path before it goes upstream.',
      examples: ['/openai'],
    },
    timeout: duration({
      minimum: 1,
      description: 'For the whole exchange, retries and queueing included.',
    }),
    maxBody: bytes({ description: 'For a request body, instead of server.limits.body.' }),
    allowBody: {
      type: 'boolean',
      default: false,
      description: 'Passes a body on GET, HEAD and DELETE on. Refused otherwise.',
    },
    strict: {
      type: 'boolean',
      default: false,
      description:
        'Refuses a request with fields that an upstream of another dialect cannot be told. Else they are dropped, and named in x-sluice-dropped-params.',
    },
    origins: {
      type: 'array',
      items: text,
      default: [],
      description: 'Origins that may open a WebSocket. Empty means any.',
      examples: [['https://app.example.com']],
    },
  },
} as const satisfies OptionsSchema
