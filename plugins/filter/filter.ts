import { scopeWith } from '#core/kit/scope.ts'
import {
  definePlugin,
  expression,
  type Expression,
  type Hooks,
  type Infer,
  type Scope,
} from '#core/sdk.ts'

const SCHEMA = {
  type: 'object',
  additionalProperties: false,
  properties: {
    on: {
      type: 'string',
      enum: ['request', 'response', 'chunk', 'message'],
      default: 'request',
      description:
        'What is judged: requests, answers by their head, each event of a stream (a plain answer is one), or each WebSocket message.',
    },
    deny: expression({
      description: 'Refuses what this is true for. Asked before `allow`.',
      examples: [{ startsWith: ['$req.path', '/internal'] }],
      'x-scope': 'request',
      'x-scope-from': 'on',
    }),
    allow: expression({
      description: 'Refuses what this is not true for.',
      examples: [{ in: ['$req.body.model', ['gpt-4o', 'gpt-4o-mini']] }],
      'x-scope': 'request',
      'x-scope-from': 'on',
    }),
    action: {
      type: 'string',
      enum: ['refuse', 'drop'],
      default: 'refuse',
      description:
        'What happens to an event or message: `refuse` ends the stream with an error, or closes the session; `drop` leaves it out.',
    },
    status: {
      type: 'integer',
      minimum: 400,
      maximum: 599,
      default: 403,
      description: 'Status of the refusal, where no answer has begun.',
    },
    message: {
      type: 'string',
      minLength: 1,
      maxLength: 1_000,
      default: 'this request is not allowed here',
      description: 'What the client is told, in the error shape of its dialect.',
    },
    code: {
      type: 'integer',
      minimum: 1000,
      maximum: 4999,
      default: 1008,
      description: 'Close code of a session that is refused. 1008 is a policy violation.',
    },
  },
} as const

type Options = Infer<typeof SCHEMA>

export default definePlugin({
  name: 'filter',
  stage: 'admit',
  summary: 'Lets requests, answers, events and messages pass or refuses them, by expression.',
  schema: SCHEMA,

  ends: ({ on, deny, allow }) =>
    on === 'request' && (isAlways(deny, true) || isAlways(allow, false)),
  protocols: ({ on }) =>
    on === 'message' ? ['websocket'] : on === 'chunk' ? ['http'] : ['http', 'websocket'],

  check({ on, deny, allow, action, code }, report) {
    if (deny === undefined && allow === undefined) {
      report.error([], 'has neither deny nor allow', 'say deny: EXPRESSION, or allow: EXPRESSION')
    }
    if (isAlways(deny, false)) report.warning(['deny'], 'is never true, so it refuses nothing')
    if (isAlways(allow, true)) report.warning(['allow'], 'is always true, so it refuses nothing')
    if (action === 'drop' && on !== 'chunk' && on !== 'message') {
      report.error(['action'], `drop is for on: chunk and on: message, not for on: ${on}`)
    }
    if (!mayClose(code)) {
      report.error(['code'], `expected 1000 to 1003, 1007 to 1014 or 3000 to 4999, got ${code}`)
    }
  },

  setup: (options) => hooksOf(options),
})

function hooksOf({ on, deny, allow, action, status, message, code }: Options): Hooks {
  const isRefused = (scope: Scope): boolean =>
    deny?.test(scope) === true || (allow !== undefined && !allow.test(scope))
  const refusal = { deny: { status, message } }
  switch (on) {
    case 'request':
      return { request: (exchange) => (isRefused(exchange) ? refusal : undefined) }
    case 'response':
      return { response: (exchange) => (isRefused(exchange) ? refusal : undefined) }
    case 'chunk':
      return {
        chunk(chunk, exchange) {
          if (!isRefused(scopeWith(exchange, { chunk }))) return undefined
          // Of a plain answer nothing would be left.
          return action === 'drop' && !chunk.isWhole ? null : refusal
        },
      }
    case 'message':
      return {
        message(msg, exchange) {
          if (!isRefused(scopeWith(exchange, { msg }))) return undefined
          return action === 'drop' ? null : { close: { code, reason: message } }
        },
      }
  }
}

/** RFC 6455 §7.4: other codes are never sent. */
function mayClose(code: number): boolean {
  return (code < 1015 && ![1004, 1005, 1006].includes(code)) || code >= 3000
}

function isAlways(expression: Expression | undefined, value: boolean): boolean {
  return expression !== undefined && expression.isConstant && expression.test({}) === value
}
