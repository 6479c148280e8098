import { expect, test } from 'vitest'
import type { JsonObject } from '#core/kit/json.ts'
import { ANSWERS, framed } from '../support/answers.ts'
import { startTestGateway } from '../support/gateway.ts'
import { askFor, sendJson } from '../support/providers.ts'
import { bodyOf, startUpstream } from '../support/upstream.ts'

/** A provider that stores responses under an id of its own. */
async function startStoring(id: string) {
  const asked: string[] = []
  const upstream = await startUpstream(async (req, res) => {
    const body = JSON.parse((await bodyOf(req)).toString() || '{}') as JsonObject
    asked.push(`${req.method} ${req.url} ${String(body['previous_response_id'] ?? '')}`.trim())
    const named = (value: object) =>
      JSON.parse(JSON.stringify(value).replaceAll('resp_7', id)) as JsonObject
    if (body['stream'] !== true) return sendJson(res, 200, named(ANSWERS['openai-responses'].whole))
    res.writeHead(200, { 'content-type': 'text/event-stream' })
    res.end(framed('openai-responses', ANSWERS['openai-responses'].events.map(named)).join(''))
  })
  return { ...upstream, asked }
}

async function start() {
  const east = await startStoring('resp_east')
  const west = await startStoring('resp_west')
  const gateway = await startTestGateway(`
upstreams:
  east: { dialect: openai-responses, url: "${east.url}/v1", models: ['east-*'] }
  west: { dialect: openai-responses, url: "${west.url}/v1", models: ['west-*'] }
routes: [{ id: llm, match: { api: openai-responses }, upstream: { byModel: [] } }]
`)
  const ask = (model: string, more: JsonObject = {}, stream = false) =>
    askFor('openai-responses', gateway.url, { body: { model, ...more }, stream })
  return { ...gateway, east, west, ask }
}

test.each([false, true])(
  'a stored response is asked of the upstream that made it; made as a stream: %s',
  async (stream) => {
    const { url, ask, east, west } = await start()
    const made = await ask('east-1', {}, stream)
    expect(made.text).toContain('resp_east')
    await ask('west-1', {}, stream)
    const paths = ['', '/input_items', '/cancel']
    for (const path of paths) {
      const method = path === '/cancel' ? 'POST' : 'GET'
      expect((await fetch(`${url}/v1/responses/resp_east${path}`, { method })).status).toBe(200)
    }
    expect((await fetch(`${url}/v1/responses/resp_west`, { method: 'DELETE' })).status).toBe(200)
    expect(east.asked).toEqual([
      'POST /v1/responses',
      'GET /v1/responses/resp_east',
      'GET /v1/responses/resp_east/input_items',
      'POST /v1/responses/resp_east/cancel',
    ])
    expect(west.asked).toEqual(['POST /v1/responses', 'DELETE /v1/responses/resp_west'])
  },
)

test('a turn goes on where the one before it is stored, after a reload too', async () => {
  const { ask, east, west, change, file } = await start()
  await ask('west-1')
  const { readFile } = await import('node:fs/promises')
  await change(`${await readFile(file, 'utf8')}# changed\n`)
  // The model would have led elsewhere.
  await ask('east-1', { previous_response_id: 'resp_west' })
  expect(west.asked).toEqual(['POST /v1/responses', 'POST /v1/responses resp_west'])
  expect(east.asked).toEqual([])
})

test('a response that nobody remembers goes by the rule, or to the only upstream that stores any', async () => {
  const { url } = await start()
  expect((await fetch(`${url}/v1/responses/resp_unknown`)).status).toBe(502)
  const one = await startStoring('resp_one')
  const single = await startTestGateway(`
upstreams:
  one: { dialect: openai-responses, url: "${one.url}/v1", models: ['one-*'] }
  claude: { dialect: anthropic, url: "${one.url}", models: ['claude-*'] }
routes: [{ id: llm, match: { api: llm }, upstream: { byModel: [] } }]
`)
  expect((await fetch(`${single.url}/v1/responses/resp_unknown`)).status).toBe(200)
})
