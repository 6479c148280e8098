import { definePlugin, type Part } from '#core/sdk.ts'
import { checkItem } from './check.ts'
import { compileInput } from './input.ts'
import { compileMessages } from './messages.ts'
import { appliesTo, OPTIONS, type Options } from './options.ts'
import { compileOutput } from './output.ts'

export default definePlugin({
  name: 'transformers',
  stage: 'shape',
  summary:
    'Checks and changes requests and answers: header fields, JSON bodies, events of streams, messages.',
  schema: OPTIONS,

  reads: (options) => [
    ...bodies(options),
    // An answer without a model is given the one that was asked for.
    ...(options.output.some(({ type }) => type === 'normalizeResponse')
      ? (['request.model'] as const)
      : []),
  ],
  writes: bodies,

  check({ input, output }, report) {
    input.forEach((item, index) => checkItem(item, 'input', ['input', index], report))
    output.forEach((item, index) => checkItem(item, 'output', ['output', index], report))
    if (input.length + output.length === 0) {
      report.warning([], 'has neither input nor output, so it changes nothing')
    }
  },

  async setup(options, host) {
    const { input, output } = options
    const message = await compileMessages(options, host)
    return {
      ...(input.length > 0 && { request: await compileInput(input, host) }),
      ...(await compileOutput(output, host)),
      ...(message && { message }),
    }
  },
})

/** The bodies that the options look at or change: none where it is all about header fields, so that nothing is gathered. */
function bodies({ input, output }: Options): Part[] {
  const parts: Part[] = []
  if (input.some((item) => appliesTo(item, 'request'))) parts.push('request.body')
  if (output.some((item) => appliesTo(item, 'answer'))) parts.push('response.body')
  return parts
}
