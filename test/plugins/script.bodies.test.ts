import { expect, test } from 'vitest'
import { startTestGateway } from '../support/gateway.ts'
import { step } from '../support/step.ts'
import { bodyOf, startUpstream } from '../support/upstream.ts'

const CHANGES = "if (req.body.change) req.body.messages.push({ role: 'user', content: 'é' })"
const reader = step('reader', { request: () => undefined }, { reads: ['request.body'] })

/** Sends bodies through a script, alone or below a step that has them parsed; tells what came of each. */
async function through(
  code: string,
  bodies: readonly (string | Buffer)[],
  above = '',
  onError = 'closed',
) {
  const seen: string[] = []
  const upstream = await startUpstream(async (req, res) => {
    seen.push((await bodyOf(req)).toString())
    res.setHeader('content-type', 'application/json').end('{}')
  })
  const script = `{ script: { sandbox: inline, onError: ${onError}, code: ${JSON.stringify(code)} } }`
  const { url } = await startTestGateway(
    `
upstreams: { model: { dialect: openai-chat, url: "${upstream.url}/v1" } }
routes: [{ id: chat, match: { api: openai-chat }, pipeline: [${above}${script}], upstream: model }]
`,
    { plugins: [reader] },
  )
  const answers: [number, unknown][] = []
  for (const body of bodies) {
    const answer = await fetch(`${url}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body,
    })
    answers.push([answer.status, await answer.json()])
  }
  return { seen, answers }
}

const SPACED =
  '{\n  "model": "m",\r\n\t"n": 1.0, "text": "a\\nb \\u00e9 é",\n  "messages": [ ]\n}\n'

test.each(['', 'reader, '])(
  'what a script only looks at goes on byte by byte, below [%s]',
  async (above) => {
    const bodies = [SPACED, '{"messages":[],"model":"m"}']
    const look = "if (req.body.messages.length !== 0) deny(400, 'seen wrongly')"
    const again = 'req.body = { ...req.body }'
    for (const code of [look, again]) {
      const { seen, answers } = await through(code, bodies, above)
      expect(answers).toEqual(bodies.map(() => [200, {}]))
      expect(seen).toEqual(bodies)
    }
  },
)

test('what it changes is written anew', async () => {
  const body = SPACED.replace('"n"', '"change": true, "n"')
  const { seen } = await through(CHANGES, [body])
  const messages = [{ role: 'user', content: 'é' }]
  const expected = { model: 'm', change: true, n: 1, text: 'a\nb é é', messages }
  expect(seen).toEqual([JSON.stringify(expected)])
})

test.each(['closed', 'open'])(
  'what is no JSON is refused with its place, by a step that is %s',
  async (onError) => {
    const code = 'vars.n = req.body?.n'
    const bodies = [
      '{"n": 1,\n  "b" 2}',
      '{"a":"x\ny"}',
      Buffer.from([0x22, 0xff, 0x22]),
      '{"__proto__":1}',
      '',
    ]
    const { answers, seen } = await through(code, bodies, '', onError)
    expect(answers.slice(0, 4)).toMatchObject([
      [
        400,
        {
          error: {
            code: 'invalid_json',
            message: expect.stringContaining('line 2, column 7') as string,
          },
        },
      ],
      [
        400,
        {
          error: {
            code: 'invalid_json',
            message: expect.stringContaining('line 1, column 8') as string,
          },
        },
      ],
      [
        400,
        {
          error: { code: 'invalid_json', message: expect.stringContaining('not UTF-8') as string },
        },
      ],
      [
        400,
        {
          error: { code: 'invalid_json', message: expect.stringContaining('__proto__') as string },
        },
      ],
    ])
    expect(seen).toHaveLength(1)
  },
)
