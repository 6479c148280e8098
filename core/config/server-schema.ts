import { bytes, duration, secret, type OptionsSchema } from './schema.ts'
import { text } from './schema-parts.ts'

/** The options of `server`. */
export const SERVER = {
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
