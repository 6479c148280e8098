import { definePlugin, expression, type Expression, type RequestPatch } from '#core/sdk.ts'

export default definePlugin({
  name: 'filter',
  stage: 'admit',
  summary: 'Lets requests pass or refuses them, by expression.',

  schema: {
    type: 'object',
    additionalProperties: false,
    properties: {
      deny: expression({
        description: 'Refuses the request where this is true. Asked before `allow`.',
        examples: [{ startsWith: ['$req.path', '/internal'] }],
        'x-scope': 'request',
      }),
      allow: expression({
        description: 'Refuses the request where this is not true.',
        examples: [{ in: ['$req.body.model', ['gpt-4o', 'gpt-4o-mini']] }],
        'x-scope': 'request',
      }),
      status: {
        type: 'integer',
        minimum: 400,
        maximum: 599,
        default: 403,
        description: 'Status of the refusal.',
      },
      message: {
        type: 'string',
        minLength: 1,
        maxLength: 1_000,
        default: 'this request is not allowed here',
        description: 'What the client is told, in the error shape of its dialect.',
      },
    },
  },

  ends: ({ deny, allow }) => isAlways(deny, true) || isAlways(allow, false),

  check({ deny, allow }, report) {
    if (deny === undefined && allow === undefined) {
      report.error([], 'has neither deny nor allow', 'say deny: EXPRESSION, or allow: EXPRESSION')
    }
    if (isAlways(deny, false)) report.warning(['deny'], 'is never true, so it refuses nothing')
    if (isAlways(allow, true)) report.warning(['allow'], 'is always true, so it refuses nothing')
  },

  setup({ deny, allow, status, message }) {
    const refusal: RequestPatch = { deny: { status, message } }
    return {
      request(exchange) {
        if (deny?.test(exchange)) return refusal
        return allow === undefined || allow.test(exchange) ? undefined : refusal
      },
    }
  },
})

function isAlways(expression: Expression | undefined, value: boolean): boolean {
  return expression !== undefined && expression.isConstant && expression.test({}) === value
}
