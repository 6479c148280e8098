/** The source of a plugin to begin with; `sdk` is the door as seen from where it is laid out. */
export function pluginSource(name: string, sdk: string): string {
  return `import { definePlugin } from '${sdk}'

export default definePlugin({
  name: '${name}',
  stage: 'shape',
  summary: 'Names the request in a header field of the answer.',

  schema: {
    type: 'object',
    additionalProperties: false,
    properties: {
      header: {
        type: 'string',
        pattern: '^[\\\\w-]{1,64}$',
        title: 'the name of a header field',
        default: 'x-request',
        description: 'The field that gets the request id.',
      },
    },
  },

  setup({ header }) {
    return {
      response: (exchange) => ({ headers: { [header]: exchange.id } }),
    }
  },
})
`
}
