import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http'
import { expect, test } from 'vitest'
import { startTestGateway } from '../../support/gateway.ts'
import { PROVIDER_WIRES, SAID } from '../../support/provider-wires.ts'
import { bodyOf, startUpstream } from '../../support/upstream.ts'

const wire = PROVIDER_WIRES['azure-openai']
// A field that nobody knows, a number that no double holds, and white space of the client's own.
const BODY = `{ "model" : "gpt-4o",  "stream":true, "seed": 12345678901234567890,
  "messages":[{"role":"user","content":"hi"}], "data_sources":[] }`

test.each([
  ['', '/openai/v1/chat/completions'],
  [
    'apiVersion: "2024-10-21"',
    '/openai/deployments/gpt-4o/chat/completions?api-version=2024-10-21',
  ],
])("Azure gets an OpenAI client's bytes, and the client its own (%s)", async (option, path) => {
  const seen: { url: string; headers: IncomingHttpHeaders; body: string }[] = []
  const events = wire.bytes(wire.events(SAID['text']!))
  async function serve(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const body = (await bodyOf(req)).toString()
    seen.push({ url: req.url!, headers: req.headers, body })
    res.writeHead(200, { 'content-type': 'text/event-stream' }).end(events)
  }
  const upstream = await startUpstream((req, res) => void serve(req, res))
  const { url } = await startTestGateway(`
upstreams:
  azure:
    dialect: azure-openai
    url: ${upstream.url}
    keys: [azure-key]
    ${option}
routes: [{ id: llm, match: { api: llm }, upstream: azure }]
`)
  const answer = await fetch(`${url}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: 'Bearer of-the-client', 'content-type': 'application/json' },
    body: BODY,
  })
  expect(Buffer.from(await answer.arrayBuffer()).equals(events)).toBe(true)
  expect(seen).toMatchObject([{ url: path, headers: { 'api-key': 'azure-key' }, body: BODY }])
  expect(seen[0]!.headers.authorization).toBeUndefined()
})
