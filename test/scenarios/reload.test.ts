import { once } from 'node:events'
import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect, onTestFinished, test } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import { startGateway } from '#core/kernel/gateway.ts'
import { catalog } from '#plugins/index.ts'
import { startTestGateway } from '../support/gateway.ts'

/** An upstream that echoes a header, streams for as long as it is asked to, and echoes WebSocket messages. */
async function startUpstream() {
  const http = createServer((req, res) => {
    req.resume()
    const events = Number(req.headers['x-events'] ?? 0)
    if (events === 0) {
      res.setHeader('content-type', 'application/json')
      return void res.end(JSON.stringify({ in: req.headers['x-in'] ?? '' }))
    }
    res.writeHead(200, { 'content-type': 'text/event-stream' })
    let sent = 0
    const timer = setInterval(() => {
      res.write(`data: ${++sent}\n\n`)
      if (sent < events) return
      clearInterval(timer)
      res.end()
    }, 10)
    res.on('close', () => clearInterval(timer))
  })
  const sockets = new WebSocketServer({ server: http })
  sockets.on('connection', (socket) => socket.on('message', (data) => socket.send(data)))
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve))
  onTestFinished(async () => {
    for (const client of sockets.clients) client.terminate()
    http.closeAllConnections()
    await new Promise((resolve) => http.close(resolve))
  })
  return (http.address() as AddressInfo).port
}

/** Marks requests and answers with the version of the config, in two steps. */
const versioned = (port: number, version: number) => `
version: 1
store: "memory:"
reload: { watch: false }
upstreams:
  api: { dialect: http, url: "http://127.0.0.1:${port}" }
pipelines:
  marked:
    - transformers: { id: in, input: [{ type: addHeaders, headers: { x-in: "${version}" } }] }
    - transformers: { id: out, output: [{ type: addHeaders, headers: { x-out: "${version}" } }] }
routes:
  - { id: changing, match: { path: /changing }, pipeline: marked, upstream: api }
  - { id: steady, match: { path: /steady }, upstream: api }
  - { id: live, match: { path: /live, protocol: websocket }, upstream: api }
`

test('a hundred reloads under load fail, cut and mix nothing', { timeout: 60_000 }, async () => {
  const port = await startUpstream()
  const gateway = await startTestGateway(versioned(port, 0))
  const { url } = gateway
  let answered = 0
  const versions = new Set<string>()

  async function ask(): Promise<void> {
    const answer = await fetch(`${url}/changing`)
    const body = (await answer.json()) as { in: string }
    expect(answer.status).toBe(200)
    expect(body.in, 'a request and its answer see one config').toBe(answer.headers.get('x-out'))
    versions.add(body.in)
    answered++
  }

  async function stream(path: string): Promise<string> {
    const answer = await fetch(url + path, { headers: { 'x-events': '100' } })
    return answer.text()
  }

  const asking: Promise<void>[] = []
  const began = performance.now()
  // 200 a second: what is due is asked, also where a reload has held the timer up.
  const load = setInterval(() => {
    while (asking.length < (performance.now() - began) / 5) asking.push(ask())
  }, 5)
  const streams = ['/changing', '/steady'].map(stream)
  const socket = new WebSocket(`${url.replace('http', 'ws')}/live`)
  await once(socket, 'open')
  let echoed = 0
  socket.on('message', () => echoed++)

  for (let version = 1; version <= 100; version++) {
    socket.send(String(version))
    const result = await gateway.change(versioned(port, version))
    expect(result).toMatchObject({ ok: true, changed: true })
    // Streams that began on many generations, and outlive them.
    if (version % 4 === 0) streams.push(stream('/changing'))
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  clearInterval(load)
  const seconds = (performance.now() - began) / 1_000
  await Promise.all(asking)
  const whole = Array.from({ length: 100 }, (_, index) => `data: ${index + 1}\n\n`).join('')
  for (const text of await Promise.all(streams)) expect(text).toBe(whole)
  await expect.poll(() => echoed).toBe(100)
  expect(socket.readyState).toBe(WebSocket.OPEN)
  socket.close()
  expect(answered).toBe(asking.length)
  expect(answered / seconds).toBeGreaterThan(180)
  expect(versions.size).toBeGreaterThan(10)
})

test(
  'a thousand reloads leave neither memory nor handles behind',
  { timeout: 120_000 },
  async () => {
    setFlagsFromString('--expose-gc')
    const collect = runInNewContext('gc') as () => void
    const port = await startUpstream()
    const gateway = await startTestGateway(versioned(port, 0))
    await (await fetch(`${gateway.url}/changing`)).text()

    async function reload(from: number, to: number): Promise<{ heap: number; handles: number }> {
      for (let version = from; version < to; version++) {
        expect(await gateway.change(versioned(port, version))).toMatchObject({ ok: true })
      }
      collect()
      const handles = process.getActiveResourcesInfo().filter((name) => name !== 'Timeout').length
      return { heap: process.memoryUsage().heapUsed, handles }
    }

    const early = await reload(1, 200)
    const late = await reload(200, 1_001)
    // 800 generations: a leak of 5 KB each would show.
    expect(late.heap - early.heap).toBeLessThan(4_000_000)
    expect(late.handles).toBeLessThanOrEqual(early.handles + 2)
  },
)

test('a config with a fault changes nothing and says why', async () => {
  const port = await startUpstream()
  const gateway = await startTestGateway(versioned(port, 1))
  const result = await gateway.change(versioned(port, 2).replace('addHeaders', 'addHeader'))
  expect(result.ok).toBe(false)
  expect(!result.ok && result.problems[0]).toMatchObject({ position: { line: 10 } })
  const answer = await fetch(`${gateway.url}/changing`)
  expect(answer.headers.get('x-out')).toBe('1')
  expect(gateway.logs).toContainEqual(
    expect.objectContaining({ level: 'error', message: 'config refused' }),
  )
})

test('a config that needs a restart is refused with the reason', async () => {
  const port = await startUpstream()
  const gateway = await startTestGateway(versioned(port, 1))
  const result = await gateway.change(`${versioned(port, 2)}server: { host: 127.0.0.2 }\n`)
  expect(!result.ok && result.problems[0]).toMatchObject({
    path: 'server.host',
    hint: 'restart the gateway',
  })
})

test('a new token for the admin listener needs a restart, and says so', async () => {
  const port = await startUpstream()
  const gateway = await startTestGateway(versioned(port, 1))
  const result = await gateway.change(
    `${versioned(port, 2)}server: { admin: { token: "a-token-that-is-long-enough-for-anybody" } }\n`,
  )
  expect(!result.ok && result.problems.map(({ path }) => path)).toContain('server.admin.token')
})

test('an unchanged config is no new generation', async () => {
  const port = await startUpstream()
  const gateway = await startTestGateway(versioned(port, 1))
  expect(await gateway.change(`# only a comment\n${versioned(port, 1)}`)).toMatchObject({
    ok: true,
    changed: false,
  })
})

test('PUT /admin/config reloads, and answers 422 with the problems of a bad one', async () => {
  const port = await startUpstream()
  const gateway = await startTestGateway(versioned(port, 1))
  await writeFile(gateway.file, versioned(port, 2))
  const put = () => fetch(`${gateway.adminUrl}/admin/config`, { method: 'PUT' })
  expect(await (await put()).json()).toMatchObject({ changed: true, generation: 2 })
  expect((await fetch(`${gateway.url}/changing`)).headers.get('x-out')).toBe('2')
  await writeFile(gateway.file, 'version: 1\nrouts: []\n')
  const refused = await put()
  expect(refused.status).toBe(422)
  const { problems } = (await refused.json()) as { problems: string[] }
  expect(problems.join('\n')).toContain('did you mean routes?')
})

/** A gateway that watches the file that it was given. */
async function startWatching(file: string) {
  const gateway = await startGateway({
    file,
    env: {},
    catalog,
    port: 0,
    adminPort: 0,
    log: { debug() {}, info() {}, warn() {}, error() {} },
  })
  onTestFinished(() => gateway.close({ delayMs: 0 }))
  const version = async () => (await fetch(`${gateway.url}/changing`)).headers.get('x-out')
  return { gateway, version }
}

async function folder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'sluice-watch-'))
  onTestFinished(() => rm(path, { recursive: true, force: true }))
  return path
}

const watched = (port: number, version: number) =>
  versioned(port, version).replace('watch: false', 'watch: true')

test('a file that an editor replaces is read again', async () => {
  const port = await startUpstream()
  const file = join(await folder(), 'gateway.yaml')
  await writeFile(file, watched(port, 1))
  const { version } = await startWatching(file)
  expect(await version()).toBe('1')
  for (const next of [2, 3]) {
    await writeFile(`${file}.new`, watched(port, next))
    await rename(`${file}.new`, file)
    await expect.poll(version, { timeout: 4_000 }).toBe(String(next))
  }
})

test('a file behind a link that is swapped is read again', async () => {
  const port = await startUpstream()
  const root = await folder()
  // As Kubernetes mounts a config map: gateway.yaml → ..data/gateway.yaml, ..data → a folder per version.
  const publish = async (version: number) => {
    await mkdir(join(root, `v${version}`))
    await writeFile(join(root, `v${version}`, 'gateway.yaml'), watched(port, version))
    await symlink(`v${version}`, join(root, '..tmp'))
    await rename(join(root, '..tmp'), join(root, '..data'))
  }
  await publish(1)
  await symlink('..data/gateway.yaml', join(root, 'gateway.yaml'))
  const { version } = await startWatching(join(root, 'gateway.yaml'))
  expect(await version()).toBe('1')
  await publish(2)
  await expect.poll(version, { timeout: 4_000 }).toBe('2')
})
