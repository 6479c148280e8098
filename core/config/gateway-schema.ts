import { ROUTE } from './route-schema.ts'
import { bytes, duration, expression, type OptionsSchema, type Schema } from './schema.ts'
import { name, steps, text } from './schema-parts.ts'
import { SERVER } from './server-schema.ts'
import { STORE } from './store-schema.ts'
import { UPSTREAM } from './upstream-schema.ts'

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
    server: SERVER,
    store: STORE,
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
            description:
              'What a sandboxed plugin may use of its host, beside the clock and the log.',
          },
          timeout: duration({
            minimum: 1,
            default: '100ms',
            description: 'How long one call of a sandboxed plugin may work.',
          }),
          memory: bytes({
            minimum: 8 * 1024 ** 2,
            default: '64mb',
            description: 'How much memory a sandboxed plugin may use.',
          }),
          breaker: {
            type: 'object',
            additionalProperties: false,
            default: {},
            description: 'When a sandboxed plugin that keeps failing is switched off.',
            properties: {
              failures: {
                type: 'integer',
                minimum: 1,
                default: 20,
                description: 'After so many failed calls in a row.',
              },
              pause: duration({ minimum: 1, default: '10s', description: 'For how long.' }),
            },
          },
        },
      },
    },
    scripts: {
      anyOf: [text, { type: 'array', items: text }],
      default: [],
      description: 'Files of functions that scripts may import, as seen from this file.',
      examples: ['./lib/*.ts'],
    },
    upstreams: {
      type: 'object',
      additionalProperties: UPSTREAM,
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
      items: ROUTE,
      minItems: 1,
      maxItems: 2_000,
      description: 'Where requests go. The first that matches wins.',
    },
  },
} as const satisfies OptionsSchema
