import { expect, test } from 'vitest'
import { sealProof } from '#core/dialects/hub/proof.ts'
import { startTestGateway } from '../../support/gateway.ts'
import { bodyOf, startUpstream } from '../../support/upstream.ts'

const SIGNATURE = sealProof({
  provider: 'google',
  family: 'gemini',
  kind: 'signature',
  data: 'CiQ=',
})

/** A conversation that began with a model of Google's, in a layout that no encoder writes. */
function conversation(text: string): string {
  return `{ "model":"claude-sonnet-4-6",  "max_tokens":9, "messages":[
    {"role":"user","content":"Hi"},
    {"role":"assistant","content":[{"type":"thinking","thinking":"Hm","signature":"${SIGNATURE}"},
      {"type":"text","text":"Hello"}]},
    {"role":"user","content":${JSON.stringify(text)}}]}`
}

/** The bytes that reach the Anthropic upstream of a gateway for a body. */
async function received(body: string, others = ''): Promise<string> {
  let bytes = ''
  const upstream = await startUpstream(async (req, res) => {
    bytes = (await bodyOf(req)).toString()
    res.writeHead(200, { 'content-type': 'application/json' }).end('{}')
  })
  const { url } = await startTestGateway(`
upstreams:
  claude: { dialect: anthropic, url: "${upstream.url}" }
  ${others}
routes: [{ id: llm, match: { api: llm }, upstream: claude }]
`)
  await fetch(`${url}/v1/messages`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body,
  })
  return bytes
}

const GOOGLE = 'google: { dialect: gemini, url: "http://127.0.0.1:9" }'

test.each([
  ['short', 'So?'],
  ['too long to be gathered without need', 'So? '.repeat(50_000)],
])(
  'thoughts of another provider’s model stay at the gateway, in a body that is %s',
  async (_, text) => {
    const body = JSON.parse(await received(conversation(text), GOOGLE)) as { messages: object[] }
    expect(body.messages).toEqual([
      { role: 'user', content: 'Hi' },
      { role: 'assistant', content: [{ type: 'text', text: 'Hello' }] },
      { role: 'user', content: text },
    ])
  },
)

test('a body without such thoughts passes byte for byte', async () => {
  const body = conversation('So?').replace(SIGNATURE, 'ErUB')
  expect(await received(body, GOOGLE)).toBe(body)
})

test('where all upstreams speak one dialect, nobody looks', async () => {
  const body = conversation('So?')
  expect(await received(body)).toBe(body)
})
