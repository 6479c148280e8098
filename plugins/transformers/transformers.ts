import { definePlugin, type Part } from '#core/sdk.ts'
import { checkInput, checkOutput } from './check.ts'
import { compileInput } from './input.ts'
import { changesBody, OPTIONS, type Options } from './options.ts'
import { compileEvents, compileOutput } from './output.ts'

export default definePlugin({
  name: 'transformers',
  stage: 'shape',
  summary:
    'Checks and changes requests and answers: header fields, JSON bodies, events of streams.',
  schema: OPTIONS,

  reads: (options) => [
    ...writtenBodies(options),
    ...(options.input.some(({ type }) => type === 'validateSchema')
      ? (['request.body'] as const)
      : []),
  ],
  writes: writtenBodies,

  check({ input, output }, report) {
    input.forEach((item, index) => checkInput(item, ['input', index], report))
    output.forEach((item, index) => checkOutput(item, ['output', index], report))
    if (input.length + output.length === 0) {
      report.warning([], 'has neither input nor output, so it changes nothing')
    }
  },

  async setup({ input, output }, host) {
    const response = compileOutput(output, host)
    const chunk = compileEvents(output, host)
    return {
      ...(input.length > 0 && { request: await compileInput(input, host) }),
      ...(response && { response }),
      ...(chunk && { chunk }),
    }
  },
})

/** The bodies that the options change: none where it is all about header fields, so that nothing is gathered. */
function writtenBodies({ input, output }: Options): Part[] {
  const parts: Part[] = []
  if (input.some((item) => changesBody(item, 'request'))) parts.push('request.body')
  if (output.some((item) => changesBody(item, 'answer'))) parts.push('response.body')
  return parts
}
