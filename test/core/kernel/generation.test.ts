import { once } from 'node:events'
import { expect, onTestFinished, test } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import type { AddressInfo } from 'node:net'
import type { Hooks, Outcome, Plugin } from '#core/sdk.ts'
import { SharedPool } from '#core/kernel/shared.ts'
import { openTestGateway, startTestGateway } from '../../support/gateway.ts'
import { step } from '../../support/step.ts'
import { startUpstream } from '../../support/upstream.ts'

/** A plugin that writes down when it is set up and closed. */
function life(name: string, seen: string[], hooks: Hooks = {}): Plugin {
  let count = 0
  return step(name, () => {
    const id = `${name}${++count}`
    seen.push(`+${id}`)
    return { ...hooks, close: () => void seen.push(`-${id}`) }
  })
}

const broken = step('broken', () => {
  throw new Error('cannot open the door')
})

const config = (pipeline: string, url = 'http://127.0.0.1:1', more = '') => `
${more}
upstreams: { up: { dialect: openai-chat, url: "${url}/v1" } }
routes:
  - { id: a, match: { path: /v1/* }, pipeline: ${pipeline}, upstream: up }
  - { id: b, match: { path: /b }, pipeline: [], upstream: up }
`

test('a step that cannot be set up fails the start, and those before it are closed', async () => {
  const seen: string[] = []
  const plugins = [life('one', seen), life('two', seen), broken]
  await expect(openTestGateway(config('[one, two, broken]'), { plugins })).rejects.toThrow(
    /setup failed: cannot open the door/,
  )
  expect(seen).toEqual(['+one1', '+two1', '-two1', '-one1'])
})

test('a step that fails in several routes is one problem', async () => {
  const yaml = `
pipelines: { shared: [broken] }
upstreams: { up: { dialect: http, url: "http://127.0.0.1:1" } }
routes:
  - { id: a, match: { path: /a }, pipeline: shared, upstream: up }
  - { id: b, match: { path: /b }, pipeline: shared, upstream: up }
`
  const problems = await openTestGateway(yaml, { plugins: [broken] }).catch(
    (error: { problems: unknown[] }) => error.problems,
  )
  expect(problems).toHaveLength(1)
})

test('a reload that fails changes nothing and closes what it began', async () => {
  const seen: string[] = []
  const plugins = [life('one', seen), life('two', seen), broken]
  const gateway = await startTestGateway(config('[one]'), { plugins })
  expect(await gateway.change(config('[one, two, broken]'))).toMatchObject({
    ok: false,
    problems: [{ path: 'routes[0].pipeline[2].broken' }],
  })
  expect(seen).toEqual(['+one1', '+two1', '-two1'])
  expect(gateway.generation.number).toBe(1)
})

test('unchanged steps stay the same live objects, changed ones are closed after their exchanges', async () => {
  const seen: string[] = []
  const arrived = Promise.withResolvers<void>()
  const answer = Promise.withResolvers<void>()
  const upstream = await startUpstream((_, res) => {
    arrived.resolve()
    void answer.promise.then(() => res.end('{}'))
  })
  const plugins = [life('one', seen), life('two', seen)]
  const gateway = await startTestGateway(config('[one, two]', upstream.url), { plugins })
  const pending = fetch(`${gateway.url}/v1/chat/completions`, { method: 'POST', body: '{}' })
  await arrived.promise
  await gateway.change(config('[one, two: { value: new }]', upstream.url))
  expect(seen).toEqual(['+one1', '+two1', '+two2'])
  answer.resolve()
  expect((await pending).status).toBe(200)
  await expect.poll(() => seen).toEqual(['+one1', '+two1', '+two2', '-two1'])
  await gateway.close({ delayMs: 0 })
  expect(seen.slice(4).toSorted()).toEqual(['-one1', '-two2'])
})

const stream = () =>
  startUpstream((_, res) => {
    res.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: {"n":1}\n\n')
  })

async function openStream(url: string) {
  const controller = new AbortController()
  onTestFinished(() => controller.abort())
  const got = await fetch(`${url}/v1/chat/completions`, {
    method: 'POST',
    body: '{}',
    signal: controller.signal,
  })
  const reader = got.body!.pipeThrough(new TextDecoderStream()).getReader()
  const first = await reader.read()
  return { first: first.value, rest: () => reader.read().then(({ value }) => value) }
}

test('a stream on an unchanged route moves to the new generation, and the old one is let go', async () => {
  const seen: string[] = []
  const upstream = await stream()
  const gateway = await startTestGateway(config('[one]', upstream.url), {
    plugins: [life('one', seen)],
  })
  await openStream(gateway.url)
  const old = gateway.generation
  await gateway.change(config('[one]', upstream.url).replace('path: /b', 'path: /c'))
  expect(gateway.generation.number).toBe(2)
  expect([old.exchanges, gateway.generation.exchanges]).toEqual([0, 1])
  expect(seen).toEqual(['+one1'])
})

test('a stream on a changed route is ended after the drain with an error event', async () => {
  const ends: Outcome[] = []
  const watch = step('watch', { done: (_, outcome) => void ends.push(outcome) })
  const upstream = await stream()
  const yaml = config('[watch]', upstream.url, 'reload: { watch: false, drain: 100ms }')
  const gateway = await startTestGateway(yaml, { plugins: [watch] })
  const { rest } = await openStream(gateway.url)
  await gateway.change(yaml.replace('[watch]', '[watch: { value: new }]'))
  expect(await rest()).toContain('"code":"shutting_down"')
  await expect.poll(() => ends).toMatchObject([{ end: 'error', error: { code: 'SHUTTING_DOWN' } }])
})

test('a WebSocket on a changed route is closed after the drain with 1012', async () => {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' })
  await once(server, 'listening')
  onTestFinished(() => {
    for (const client of server.clients) client.terminate()
    server.close()
  })
  const yaml = `
reload: { watch: false, drain: 100ms }
upstreams: { up: { dialect: http, url: "ws://127.0.0.1:${(server.address() as AddressInfo).port}" } }
routes: [{ id: live, match: { path: /live, protocol: websocket }, pipeline: [one], upstream: up }]
`
  const gateway = await startTestGateway(yaml, { plugins: [step('one', {})] })
  const socket = new WebSocket(`${gateway.url.replace('http', 'ws')}/live`)
  await once(socket, 'open')
  await gateway.change(yaml.replace('[one]', '[one: { value: new }]'))
  expect((await once(socket, 'close'))[0]).toBe(1012)
})

test('a shutdown tells open streams and WebSockets why, once their time is over', async () => {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' })
  await once(server, 'listening')
  onTestFinished(() => {
    for (const client of server.clients) client.terminate()
    server.close()
  })
  const upstream = await stream()
  const gateway = await startTestGateway(`
server: { timeouts: { drain: 100ms } }
upstreams:
  up: { dialect: openai-chat, url: "${upstream.url}/v1" }
  live: { dialect: http, url: "ws://127.0.0.1:${(server.address() as AddressInfo).port}" }
routes:
  - { id: live, match: { path: /live, protocol: websocket }, upstream: live }
  - { id: a, match: { path: /v1/* }, upstream: up }
`)
  const { rest } = await openStream(gateway.url)
  const socket = new WebSocket(`${gateway.url.replace('http', 'ws')}/live`)
  await once(socket, 'open')
  const closed = gateway.close({ delayMs: 0 })
  expect(await rest()).toContain('"code":"shutting_down"')
  expect((await once(socket, 'close'))[0]).toBe(1012)
  await closed
})

test('a done hook that never ends does not keep the gateway from closing', async () => {
  const stuck = step('stuck', { done: () => new Promise<void>(() => {}) })
  const upstream = await startUpstream((_, res) => void res.end('{}'))
  const gateway = await startTestGateway(config('[stuck]', upstream.url), { plugins: [stuck] })
  await (await fetch(`${gateway.url}/b`)).text()
  await (await fetch(`${gateway.url}/v1/models`)).text()
  await expect.poll(() => gateway.generation.exchanges).toBe(1)
  await gateway.close({ delayMs: 0 })
}, 12_000)

test('a pool makes once, closes after the last holder, and makes anew after that', async () => {
  const closed: number[] = []
  const closing = Promise.withResolvers<void>()
  const pool = new SharedPool<number>(async (value) => {
    await closing.promise
    closed.push(value)
  })
  let made = 0
  const make = () => ++made
  expect(await Promise.all([pool.acquire('k', make), pool.acquire('k', make)])).toEqual([1, 1])
  await pool.release('k')
  expect(pool.size).toBe(1)
  const last = pool.release('k')
  // While the old one is being closed, a new one is made: nobody gets what is on its way out.
  expect(await pool.acquire('k', make)).toBe(2)
  closing.resolve()
  await last
  expect(closed).toEqual([1])
  await pool.release('k')
  expect(closed).toEqual([1, 2])
  expect(pool.size).toBe(0)
})

test('a pool forgets what could not be made, once those who asked have let go', async () => {
  const closed: unknown[] = []
  const pool = new SharedPool<number>((value) => void closed.push(value))
  const fail = () => Promise.reject(new Error('no'))
  await expect(pool.acquire('k', fail)).rejects.toThrow('no')
  await expect(pool.acquire('k', () => 1)).rejects.toThrow('no')
  await pool.release('k')
  await pool.release('k')
  expect([pool.size, closed]).toEqual([0, []])
  expect(await pool.acquire('k', () => 2)).toBe(2)
  await pool.release('k')
  await pool.release('k')
  expect(closed).toEqual([2])
})
