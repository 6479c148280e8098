import { expect, test } from 'vitest'
import { startTestGateway } from '../support/gateway.ts'

const plugin = `
export default {
  name: 'acmeGreeting',
  stage: 'shape',
  summary: 'Greets.',
  schema: {
    type: 'object',
    additionalProperties: false,
    properties: { text: { type: 'string', default: 'hello', description: 'What to say.' } },
  },
  setup: ({ text }) => ({ response: () => ({ headers: { 'x-greeting': text } }) }),
}
`
const config = (from: string, trust: string, options: string) => `
plugins: { acmeGreeting: { from: "${from}", trust: ${trust} } }
upstreams: { demo: { dialect: demo } }
routes:
  - { id: all, match: { api: openai-chat }, pipeline: [acmeGreeting: ${options}], upstream: demo }
`

test('a plugin of others runs from a file beside the config', async () => {
  const { url } = await startTestGateway(config('./greeting.mjs', 'full', '{ text: servus }'), {
    files: { 'greeting.mjs': plugin },
  })
  const answer = await fetch(`${url}/v1/models`)
  expect(answer.headers.get('x-greeting')).toBe('servus')
})

test('its options are checked like those of any plugin', async () => {
  const starting = startTestGateway(config('./greeting.mjs', 'full', '{ txt: servus }'), {
    files: { 'greeting.mjs': plugin },
  })
  await expect(starting).rejects.toThrow(
    /gateway\.yaml:8:\d+ routes\[0\]\.pipeline\[0\]\.acmeGreeting\.txt: unknown option\n {2}hint: did you mean text\?/,
  )
})

test('one that is not there, or has no default export, is told with its place', async () => {
  await expect(startTestGateway(config('npm:@acme/none', 'full', '{}'))).rejects.toThrow(
    'npm i @acme/none',
  )
  const empty = startTestGateway(config('./empty.mjs', 'full', '{}'), {
    files: { 'empty.mjs': 'export const x = 1' },
  })
  await expect(empty).rejects.toThrow('./empty.mjs has no default export')
})
