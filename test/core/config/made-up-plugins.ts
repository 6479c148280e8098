import type { PluginCatalog } from '#core/config/model.ts'
import { bytes, definePlugin, duration, expression, type Plugin, secret } from '#core/sdk.ts'

const setup = () => ({})
const closed = { type: 'object', additionalProperties: false } as const

/** Sees everything, changes nothing. */
const watcher = definePlugin({
  name: 'watcher',
  stage: 'observe',
  summary: 'Watches.',
  schema: {
    ...closed,
    properties: {
      level: { enum: ['debug', 'info', 'warn'], default: 'info', description: 'How much to tell.' },
      sample: { type: 'number', minimum: 0, maximum: 1, default: 1, description: 'Share to keep.' },
      only: expression({ 'x-scope': 'response', description: 'Which answers to tell of.' }),
    },
  },
  setup,
})

/** Establishes the consumer. */
const badge = definePlugin({
  name: 'badge',
  stage: 'identify',
  summary: 'Identifies.',
  provides: ['consumer'],
  schema: {
    ...closed,
    properties: {
      header: { type: 'string', minLength: 1, default: 'x-badge', description: 'Where to look.' },
      pepper: secret({ description: 'Mixed into every hash.' }),
      tokens: {
        type: 'object',
        additionalProperties: secret({ description: 'One token.' }),
        description: 'Tokens by consumer.',
      },
    },
  },
  setup,
})

/** Limits by consumer, and charges for each call. */
const meter = definePlugin({
  name: 'meter',
  stage: 'admit',
  summary: 'Meters.',
  needs: ['consumer'],
  traits: ['charges'],
  schema: {
    ...closed,
    required: ['limits'],
    properties: {
      limits: {
        type: 'object',
        additionalProperties: false,
        minProperties: 1,
        description: 'What is allowed.',
        properties: {
          requests: { type: 'integer', minimum: 1, description: 'Requests in a window.' },
          tokens: { type: 'integer', minimum: 1, description: 'Tokens in a window.' },
          window: duration({ default: '1m', description: 'Length of the window.' }),
          body: bytes({ description: 'Size of a body.' }),
        },
      },
      keys: {
        type: 'array',
        minItems: 1,
        maxItems: 3,
        uniqueItems: true,
        items: { type: 'string', pattern: '^[a-z]+$', title: 'a word', description: 'A part.' },
        description: 'What tells callers apart.',
      },
    },
  },
  check({ limits }, report) {
    if (limits.requests === undefined && limits.tokens === undefined) {
      report.error(['limits'], 'nothing is limited', 'say requests or tokens')
    }
    if (limits.requests === 13) throw new Error('13 is not for me')
    if (limits.requests === 7) report.warning(['limits', 'requests'], 'seven is few')
  },
  setup,
})

/** Takes one of several forms. */
const shaper = definePlugin({
  name: 'shaper',
  stage: 'shape',
  summary: 'Shapes.',
  reads: ['request.body'],
  schema: {
    ...closed,
    properties: {
      steps: {
        type: 'array',
        default: [],
        description: 'What to do.',
        items: {
          anyOf: [
            {
              type: 'object',
              additionalProperties: false,
              required: ['type', 'fields'],
              properties: {
                type: { const: 'removeFields' },
                fields: { type: 'array', items: { type: 'string' } },
              },
            },
            {
              type: 'object',
              additionalProperties: false,
              required: ['type', 'headers'],
              properties: {
                type: { const: 'addHeaders' },
                headers: { type: 'object', additionalProperties: { type: 'string' } },
              },
            },
          ],
        },
      },
      mode: {
        anyOf: [{ type: 'boolean' }, { enum: ['fast', 'slow'] }],
        default: false,
        description: 'How.',
      },
      value: expression({ 'x-scope': 'request', description: 'What to set.' }),
    },
  },
  setup,
})

/** Hides what must not be kept. */
const masker = definePlugin({
  name: 'masker',
  stage: 'shape',
  summary: 'Masks.',
  traits: ['redacts'],
  schema: { ...closed, properties: {} },
  setup,
})

/** Keeps answers. */
const keeper = definePlugin({
  name: 'keeper',
  stage: 'reuse',
  summary: 'Keeps.',
  schema: {
    ...closed,
    properties: {
      shared: { type: 'boolean', default: false, description: 'All consumers see all.' },
    },
  },
  setup,
})

/** Tries again. */
const retrier = definePlugin({
  name: 'retrier',
  stage: 'deliver',
  summary: 'Retries.',
  attempts: ({ maxRetries }) => maxRetries + 1,
  schema: {
    ...closed,
    properties: {
      maxRetries: {
        type: 'integer',
        minimum: 0,
        maximum: 10,
        default: 2,
        description: 'How often.',
      },
    },
  },
  setup,
})

/** Answers by itself. */
const answerer = definePlugin({
  name: 'answerer',
  stage: 'admit',
  summary: 'Answers.',
  ends: () => true,
  schema: {
    ...closed,
    properties: { body: { description: 'Any JSON.', default: null } },
  },
  setup,
})

/** Works on WebSockets only. */
const socketeer = definePlugin({
  name: 'socketeer',
  stage: 'shape',
  summary: 'Talks.',
  protocols: () => ['websocket'],
  schema: { ...closed, properties: {} },
  setup,
})

/** Does not keep to the contract. */
const broken = {
  name: 'broken',
  stage: 'later',
  summary: 'Breaks.',
  schema: { ...closed, properties: { when: {}, a: { oneOf: [] } } },
  setup,
} as unknown as Plugin

/** Does its work without knowing who calls, but not as well. */
const greeter = definePlugin({
  name: 'greeter',
  stage: 'shape',
  summary: 'Greets.',
  wishes: ({ byName }) =>
    byName ? [{ fact: 'consumer', path: ['byName'], without: 'it greets everybody alike' }] : [],
  schema: {
    ...closed,
    properties: {
      byName: { type: 'boolean', default: false, description: 'Greets callers by their name.' },
    },
  },
  setup,
})

const PLUGINS = [
  watcher,
  badge,
  greeter,
  meter,
  shaper,
  masker,
  keeper,
  retrier,
  answerer,
  socketeer,
  broken,
] as unknown as readonly Plugin[]

/** Plugins that declare what the loader checks, and do nothing. */
export const catalog: PluginCatalog = {
  names: [...PLUGINS.map(({ name }) => name), 'absent'],
  async load(name) {
    const plugin = PLUGINS.find((one) => one.name === name)
    if (plugin === undefined) throw new Error('no such file')
    return plugin
  },
}
