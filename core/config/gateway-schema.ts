import { demoSchema } from '../dialects/demo-schema.ts'
import { CLIENT_DIALECTS } from '../dialects/dialect.ts'
import { bytes, duration, expression, secret, type OptionsSchema, type Schema } from './schema.ts'

const DIALECT_NAMES = CLIENT_DIALECTS
const LLM_NAMES = ['openai-chat', 'openai-responses', 'anthropic', 'gemini'] as const

const name = {
  type: 'string',
  pattern: '^[A-Za-z][\\w.-]{0,63}$',
  title: 'a name of letters, digits, _, . and -',
} as const
const text = { type: 'string', minLength: 1 } as const
const oneOrMore = <const S extends Schema>(one: S, description: string) =>
  ({ anyOf: [one, { type: 'array', items: one, minItems: 1 }], description }) as const

/** What every step takes beside its plugin's options. Kept out of the plugins' own schemas. */
export const RESERVED = {
  enabled: {
    type: 'boolean',
    default: true,
    description: 'False takes the step out of the pipeline. It is still checked.',
  },
  when: expression({
    'x-scope': 'request',
    description: 'The step runs for requests for which this holds. Evaluated once, on the way in.',
  }),
  id: {
    type: 'string',
    pattern: '^[A-Za-z][\\w.-]{0,63}$',
    title: 'a name of letters, digits, _, . and -',
    description: 'Tells two steps of one plugin apart, for override and in logs.',
  },
  onError: {
    enum: ['open', 'closed'],
    description:
      'What a broken step does: closed refuses the request, open goes on without the step. By default, steps of the stage observe are open and all others closed.',
  },
} as const satisfies Record<string, Schema>

/** A list of steps. What a step may hold depends on its plugin, so the loader checks steps one by one. */
const steps = {
  type: 'array',
  description: 'Steps in the order in which a request passes them.',
  items: {},
} as const

const listener = {
  type: 'object',
  additionalProperties: false,
  default: {},
  description: 'Where the gateway listens, and what it bears.',
  properties: {
    host: {
      type: 'string',
      minLength: 1,
      default: '127.0.0.1',
      description: 'Address to listen on. 0.0.0.0 listens on all of them.',
      examples: ['0.0.0.0'],
    },
    port: {
      type: 'integer',
      minimum: 0,
      maximum: 65_535,
      default: 8080,
      description: 'Port to listen on. 0 picks a free one.',
    },
    admin: {
      anyOf: [
        {
          type: 'string',
          pattern: '^(\\[[0-9a-fA-F:.]+\\]|[^\\s:/@]+):\\d{1,5}$',
          title: 'an address such as 127.0.0.1:8081',
        },
        { type: 'integer', minimum: 0, maximum: 65_535, title: 'a port' },
        { const: false },
        {
          type: 'object',
          additionalProperties: false,
          properties: {
            host: {
              type: 'string',
              minLength: 1,
              default: '127.0.0.1',
              description: 'Address of the admin listener. A public one needs a token.',
            },
            port: {
              type: 'integer',
              minimum: 0,
              maximum: 65_535,
              default: 8081,
              description: 'Port of the admin listener. 0 picks a free one.',
            },
            token: secret({
              description: 'Operators send it as authorization: Bearer TOKEN.',
              examples: ['${SLUICE_ADMIN_TOKEN}'],
            }),
          },
        },
      ],
      default: '127.0.0.1:8081',
      description: 'Address of the admin listener, a map with a token, or false for none.',
      examples: ['127.0.0.1:8081', { host: '0.0.0.0', port: 8081, token: '${SLUICE_ADMIN_TOKEN}' }],
    },
    trustProxy: {
      type: 'array',
      items: text,
      default: [],
      description:
        'Networks of the proxies whose x-forwarded-for and x-forwarded-proto are believed.',
      examples: [['10.0.0.0/8']],
    },
    allowEncodedSlashes: {
      type: 'boolean',
      default: false,
      description: 'Lets %2f and %5c through in paths, as they came. Refused otherwise.',
    },
    timeouts: {
      type: 'object',
      additionalProperties: false,
      default: {},
      description: 'How long the listener waits.',
      properties: {
        headers: duration({ default: '10s', description: 'For the head of a request.' }),
        request: duration({ default: '60s', description: 'For a whole request, body included.' }),
        keepAlive: duration({
          default: '65s',
          description: 'For the next request on a connection. Longer than the load balancer waits.',
        }),
        write: duration({
          default: '30s',
          description: 'For a client that has stopped reading its answer.',
        }),
        shutdownDelay: duration({
          default: '5s',
          description: 'After SIGTERM: how long to go on serving while readiness says no.',
        }),
        drain: duration({
          default: '30s',
          description: 'After that: how long exchanges have to come to their end.',
        }),
      },
    },
    limits: {
      type: 'object',
      additionalProperties: false,
      default: {},
      description: 'What a client may send.',
      properties: {
        headerSize: bytes({ default: '16kb', description: 'All header fields of a request.' }),
        headers: {
          type: 'integer',
          minimum: 1,
          default: 100,
          description: 'Number of header fields.',
        },
        url: bytes({ default: '8kb', description: 'The request target.' }),
        body: bytes({
          default: '10mb',
          description: 'A request body, where the route has no own.',
        }),
        jsonDepth: {
          type: 'integer',
          minimum: 1,
          maximum: 1_000,
          default: 64,
          description: 'Nesting of a JSON body that a step reads.',
        },
        connections: {
          type: 'integer',
          minimum: 1,
          default: 10_000,
          description: 'Connections at one time.',
        },
        requestsPerSocket: {
          type: 'integer',
          minimum: 1,
          default: 10_000,
          description: 'Requests on one connection before it is closed.',
        },
        buffered: bytes({
          default: '1mb',
          description:
            'Bytes of one answer that wait for a slow client before the upstream is paused.',
        }),
      },
    },
    overload: {
      type: 'object',
      additionalProperties: false,
      default: {},
      description: 'When to answer new requests with 503, so that the others come to their end.',
      properties: {
        eventLoopDelay: duration({
          default: '500ms',
          description: 'Delay of the event loop above which requests are refused.',
        }),
        heapShare: {
          type: 'number',
          exclusiveMinimum: 0,
          maximum: 1,
          default: 0.95,
          description: 'Share of the heap limit above which requests are refused.',
        },
      },
    },
    websocket: {
      type: 'object',
      additionalProperties: false,
      default: {},
      description: 'Limits of a WebSocket session, for the client and for the upstream.',
      properties: {
        maxPayload: bytes({ default: '1mb', description: 'One message, put together.' }),
        maxFragments: {
          type: 'integer',
          minimum: 1,
          default: 1_024,
          description: 'Frames of one message.',
        },
        pingInterval: duration({ default: '30s', description: 'How often a peer is pinged.' }),
        idle: duration({
          default: '60s',
          description: 'A peer that has sent nothing for so long, not even a pong, is cut off.',
        }),
        messagesPerSecond: {
          type: 'integer',
          minimum: 1,
          default: 1_000,
          description: 'Messages that a client may send in one second.',
        },
      },
    },
  },
} as const satisfies OptionsSchema

const upstream = {
  type: 'object',
  additionalProperties: false,
  description: 'A provider or service.',
  properties: {
    dialect: {
      ...oneOrMore({ enum: [...DIALECT_NAMES, 'demo'] }, ''),
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
        'The models that it serves, for byModel: a list of names and patterns (claude-*), or a map of aliases to the names that it knows.',
      examples: [['gpt-*'], { fast: 'gpt-4o-mini' }],
    },
    demo: {
      ...demoSchema,
      default: {},
      description: 'How an upstream of the dialect demo answers.',
    },
  },
} as const satisfies OptionsSchema

const match = {
  type: 'object',
  additionalProperties: false,
  default: {},
  description:
    'What a request must look like. All that is given must hold; nothing given matches all.',
  properties: {
    method: oneOrMore(
      { type: 'string', pattern: '^[A-Za-z]{1,20}$', title: 'a method such as POST' },
      'The method, or a list of them.',
    ),
    path: oneOrMore(
      text,
      'The path, or a list of them: /v1/models/{model} takes one segment, /files/* the rest.',
    ),
    host: oneOrMore(
      {
        type: 'string',
        pattern: '^(\\*\\.)?[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$|^\\[[0-9a-fA-F:.]+\\]$',
        title: 'a host name without port, such as api.example.com or *.example.com',
      },
      'The host name without port, or a list of them. *.example.com takes one or more labels.',
    ),
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
      ...oneOrMore({ enum: ['llm', ...LLM_NAMES] }, ''),
      description: "All endpoints of a dialect's API, or of several. llm means all of them.",
    },
  },
} as const satisfies OptionsSchema

const route = {
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
      enum: DIALECT_NAMES,
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
    origins: {
      type: 'array',
      items: text,
      default: [],
      description: 'Origins that may open a WebSocket. Empty means any.',
      examples: [['https://app.example.com']],
    },
  },
} as const satisfies OptionsSchema

/** The language of gateway.yaml, but for the steps, whose options are their plugins' affair. */
export const GATEWAY = {
  type: 'object',
  additionalProperties: false,
  required: ['version', 'routes'],
  properties: {
    version: { const: 1, description: 'The version of this language: 1.' },
    include: {
      type: 'array',
      items: text,
      default: [],
      description: 'Further files, as seen from this one. Their maps and lists are added to these.',
      examples: [['./tenants/*.yaml']],
    },
    server: listener,
    store: {
      type: 'string',
      default: 'memory:',
      description: 'Where state is kept: memory: or sqlite:PATH.',
      examples: ['sqlite:./data/sluice.db'],
    },
    reload: {
      type: 'object',
      additionalProperties: false,
      default: {},
      description: 'What happens when this file changes.',
      properties: {
        watch: {
          type: 'boolean',
          default: true,
          description: 'Loads the config again when one of its files changes.',
        },
        drain: duration({
          default: '10m',
          description: 'How long exchanges may go on with the config that they began with.',
        }),
      },
    },
    plugins: {
      type: 'object',
      maxProperties: 1_000,
      default: {},
      description: "Third-party plugins. The gateway's own are always known.",
      additionalProperties: {
        type: 'object',
        additionalProperties: false,
        required: ['from'],
        properties: {
          from: {
            ...text,
            description: 'Its module: npm:NAME, or a path as seen from this file.',
            examples: ['npm:@acme/sluice-pii'],
          },
          trust: {
            enum: ['sandboxed', 'full'],
            default: 'sandboxed',
            description:
              'sandboxed runs its hooks apart from the gateway; full runs it as our own.',
          },
          allow: {
            type: 'array',
            items: { enum: ['store', 'fetch'] },
            uniqueItems: true,
            default: [],
            description: 'What a sandboxed plugin may use of its host.',
          },
        },
      },
    },
    upstreams: {
      type: 'object',
      additionalProperties: upstream,
      propertyNames: name,
      maxProperties: 1_000,
      default: {},
      description: 'The providers and services behind the gateway, by name.',
    },
    define: {
      type: 'object',
      additionalProperties: {},
      propertyNames: {
        type: 'string',
        pattern: '^[A-Za-z]\\w{0,63}$',
        title: 'a name of letters, digits and _',
      },
      maxProperties: 2_000,
      default: {},
      description: 'Named expressions: $name stands for one in every other expression.',
    },
    pipelines: {
      type: 'object',
      additionalProperties: steps,
      propertyNames: name,
      maxProperties: 2_000,
      default: {},
      description: 'Lists of steps, by name.',
    },
    routes: {
      type: 'array',
      items: route,
      minItems: 1,
      maxItems: 2_000,
      description: 'Where requests go. The first that matches wins.',
    },
  },
} as const satisfies OptionsSchema
