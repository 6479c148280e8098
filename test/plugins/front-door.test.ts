import { existsSync, readFileSync } from 'node:fs'
import type { IncomingMessage } from 'node:http'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { startGateway } from '#core/kernel/gateway.ts'
import type { JsonObject } from '#core/kit/json.ts'
import { catalog } from '#plugins/index.ts'
import { startTestGateway } from '../support/gateway.ts'
import { bodyOf, startUpstream } from '../support/upstream.ts'

const EXAMPLES = new URL('../../examples/', import.meta.url)
const ROADMAP = new URL('../../../shared/roadmap/', import.meta.url)

const CHAT = { model: 'gpt-4o', messages: [{ role: 'user', content: 'hi', name: 'ada' }] }

function post(url: string, body: object, headers: Record<string, string> = {}) {
  return fetch(`${url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  })
}

/** Runs an example as it stands, where it stands. */
async function startExample(name: string) {
  const cwd = await mkdtemp(join(tmpdir(), 'example-'))
  const silent = () => undefined
  const gateway = await startGateway({
    file: fileURLToPath(new URL(`${name}.yaml`, EXAMPLES)),
    cwd,
    env: {},
    catalog,
    port: 0,
    log: { debug: silent, info: silent, warn: silent, error: silent },
  })
  onTestFinished(async () => {
    await gateway.close({ delayMs: 0 })
    await rm(cwd, { recursive: true })
  })
  return gateway
}

/** A gateway with one pipeline in front of an upstream that always gives the same answer, and keeps what it gets. */
async function startWith(steps: string, answer: { type: string; body: string }) {
  const seen: { headers: Record<string, unknown>; body: string }[] = []
  async function keep(req: IncomingMessage): Promise<void> {
    seen.push({ headers: req.headers, body: String(await bodyOf(req)) })
  }
  const upstream = await startUpstream((req, res) => {
    void keep(req).then(() => res.setHeader('content-type', answer.type).end(answer.body))
  })
  const gateway = await startTestGateway(`
upstreams:
  chat: { dialect: openai-chat, url: "${upstream.url}/v1" }
pipelines:
  chat:
${steps.replaceAll(/^/gm, '    ')}
routes:
  - { id: chat, match: { api: openai-chat }, pipeline: chat, upstream: chat }
`)
  return { gateway, seen }
}

describe('examples/filter.yaml', () => {
  it('offers some models, and streams to those who pay', async () => {
    const { url } = await startExample('filter')
    expect((await post(url, CHAT)).status).toBe(200)
    const refused = await post(url, { ...CHAT, model: 'o3' })
    expect(refused.status).toBe(403)
    expect(await refused.json()).toMatchObject({
      error: { message: 'this model is not offered here' },
    })
    expect((await post(url, { ...CHAT, stream: true })).status).toBe(402)
    const paid = await post(url, { ...CHAT, stream: true }, { 'x-plan': 'paid' })
    expect(await paid.text()).toContain('data: [DONE]')
  })
})

describe('examples/transformers.yaml', () => {
  it('checks and cleans requests, and says where answers come from', async () => {
    const { url } = await startExample('transformers')
    const answer = await post(url, { ...CHAT, max_tokens: 2 })
    expect(answer.headers.get('x-sluice-upstream')).toBe('demo')
    const body: unknown = await answer.json()
    expect(body).toMatchObject({
      gateway: { route: 'chat', upstream: 'demo' },
      usage: { completion_tokens: 2 },
    })
    expect(body).not.toHaveProperty('system_fingerprint')
    const refused = await post(url, { messages: [{ role: 'nobody' }] })
    expect(refused.status).toBe(400)
    expect(await refused.json()).toMatchObject({ error: { param: 'model' } })
    const stream = await (await post(url, { ...CHAT, stream: true })).text()
    expect(stream).not.toContain('system_fingerprint')
    expect(stream.trimEnd().endsWith('data: [DONE]')).toBe(true)
  })
})

describe('examples/koa.yaml', () => {
  it('runs a package from npm and a file beside the config', async () => {
    const { url } = await startExample('koa')
    const answer = await post(url, CHAT, { 'x-tenant': 'acme' })
    expect(answer.status).toBe(200)
    expect(answer.headers.get('x-frame-options')).toBe('SAMEORIGIN')
    expect(answer.headers.get('x-tenant')).toBe('acme')
    const refused = await post(url, CHAT)
    expect(refused.status).toBe(400)
    expect(await refused.json()).toMatchObject({
      error: { message: 'say who you are in x-tenant' },
    })
  })

  it('passes streams on whole', async () => {
    const { url } = await startExample('koa')
    const stream = await post(url, { ...CHAT, stream: true }, { 'x-tenant': 'acme' })
    expect(stream.headers.get('x-frame-options')).toBe('SAMEORIGIN')
    expect((await stream.text()).trimEnd().endsWith('data: [DONE]')).toBe(true)
  })
})

describe('examples/logging.yaml', () => {
  it('writes a line per exchange with who, what and how, and no credential', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'logging-'))
    onTestFinished(() => rm(folder, { recursive: true }))
    const log = join(folder, 'exchanges.log')
    // The example writes to stdout, which belongs to the test runner here.
    const yaml = await readFile(new URL('logging.yaml', EXAMPLES), 'utf8')
    const { url } = await startTestGateway(
      yaml.replace('- logging:', `- logging:\n        destination: ${log}`),
    )
    const headers = { 'x-tenant': 'acme', authorization: 'Bearer sk-secret' }
    const { usage } = (await (await post(url, CHAT, headers)).json()) as { usage: JsonObject }
    const counted = { ...CHAT, stream: true, stream_options: { include_usage: true } }
    await (await post(url, counted)).text()
    await vi.waitUntil(() => readFileSync(log, 'utf8').split('\n').length > 2, { timeout: 5_000 })
    const text = readFileSync(log, 'utf8')
    const [plain, stream] = text
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line) as JsonObject)
    expect(plain).toMatchObject({
      level: 'info',
      status: 200,
      model: 'gpt-4o',
      tenant: 'acme',
      ip: '•••',
      upstream: 'demo',
      usage: { inputTokens: usage['prompt_tokens'] },
      request: { headers: { authorization: '•••' } },
    })
    expect(stream).toMatchObject({ status: 200, usage: { inputTokens: usage['prompt_tokens'] } })
    expect(text).not.toContain('sk-secret')
  })
})

describe('in a running gateway', () => {
  it('events keep their bytes where no rule changes them', async () => {
    const same = 'event: ping\r\ndata:  {"a" : 1}\r\n\r\n: comment\n\n'
    const { gateway } = await startWith(
      '- transformers: { output: [{ type: removeFields, fields: [b] }] }',
      { type: 'text/event-stream', body: `${same}data: {"a":1,"b":2}\n\ndata: [DONE]\n\n` },
    )
    const stream = await (await post(gateway.url, { ...CHAT, stream: true })).text()
    expect(stream).toBe(`${same}data: {"a":1}\n\ndata: [DONE]\n\n`)
  })

  it('a request keeps its bytes where no rule changes it', async () => {
    const { gateway, seen } = await startWith(
      '- transformers: { input: [{ type: removeFields, fields: [b] }] }',
      { type: 'application/json', body: '{}' },
    )
    const body = '{ "model": "m",  "n": 1.0, "messages": [] }'
    await fetch(`${gateway.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body,
    })
    expect(seen[0]!.body).toBe(body)
  })

  it('a schema may stand in a file beside the config', async () => {
    const upstream =
      '- transformers: { input: [{ type: validateSchema, schema: "file:./chat.json" }] }'
    await expect(startWith(upstream, { type: 'text/plain', body: '' })).rejects.toThrow(
      /pipelines\.chat\[0\]\.transformers: setup failed: .*chat\.json/,
    )
    const folder = await mkdtemp(join(tmpdir(), 'schema-'))
    onTestFinished(() => rm(folder, { recursive: true }))
    const file = join(folder, 'chat.json')
    await writeFile(file, '{ "type": "object", "required": ["tenant"] }')
    const { gateway } = await startWith(upstream.replace('./chat.json', file), {
      type: 'application/json',
      body: '{}',
    })
    expect((await post(gateway.url, CHAT)).status).toBe(400)
    expect((await post(gateway.url, { ...CHAT, tenant: 'a' })).status).toBe(200)
  })

  it('a missing package fails the start, at its line, with the remedy', async () => {
    await expect(
      startWith('- koa: { from: koa-nothing }', { type: 'text/plain', body: '' }),
    ).rejects.toThrow(
      /gateway\.yaml:\d+:\d+ pipelines\.chat\[0\]\.koa: setup failed: cannot load "koa-nothing": npm i koa-nothing/,
    )
  })

  it.skipIf(!existsSync(ROADMAP))('the blocks of the roadmap stand as steps', async () => {
    const block = (name: string) => readFileSync(new URL(`${name}.json`, ROADMAP), 'utf8')
    const step = (name: string) => `- ${block(name).trim().replaceAll('\n', '\n  ')}`
    const { gateway, seen } = await startWith(
      `${step('logging').replace('"level"', '"destination": "/dev/null", "level"')}\n${step('transformers')}`,
      { type: 'application/json', body: '{"id":"x"}' },
    )
    const answer = await post(gateway.url, { ...CHAT, sensitive_data: 1 })
    expect(await answer.json()).toMatchObject({ id: 'x', gateway: { upstream: 'chat' } })
    expect(JSON.parse(seen[0]!.body)).toEqual(CHAT)
    expect(seen[0]!.headers['x-custom']).toBe('value')
    expect(gateway.warnings).toEqual([])
  })
})
