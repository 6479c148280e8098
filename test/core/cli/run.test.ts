import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import path from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { folderOf, sluice } from './command-line.ts'

const MAIN = path.resolve(import.meta.dirname, '../../../core/cli/main.ts')

const CONFIG = `version: 1
reload: { watch: false }
server:
  port: 0
  admin: 127.0.0.1:0
  timeouts: { shutdownDelay: 300ms }
upstreams: { demo: { dialect: demo } }
routes: [{ id: chat, match: { api: llm }, upstream: demo }]
`
/** Slow enough to be still under way when the gateway is told to stop. */
const SLOW = CONFIG.replace(
  '{ dialect: demo }',
  '{ dialect: demo, demo: { text: a b c d e f g h, chunkDelay: 100ms } }',
)

/** A gateway in a process of its own. */
class Running {
  readonly child: ChildProcess
  readonly exit: Promise<number | null>
  stdout = ''
  stderr = ''

  constructor(child: ChildProcess) {
    this.child = child
    this.exit = once(child, 'exit').then(([code]) => code as number | null)
    child.stdout!.setEncoding('utf8').on('data', (text: string) => (this.stdout += text))
    child.stderr!.setEncoding('utf8').on('data', (text: string) => (this.stderr += text))
  }

  /** Waits until it has said something on one of its outputs. */
  async until(output: 'stdout' | 'stderr', pattern: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      const found = pattern.exec(this[output])
      if (found) return found
      await Promise.race([
        once(this.child[output]!, 'data'),
        this.exit.then((code) => {
          if (pattern.test(this[output])) return
          throw new Error(`it ended with ${code}, having said: ${this.stdout}${this.stderr}`)
        }),
      ])
    }
  }

  async ready(): Promise<{ url: string; adminUrl: string }> {
    const line = /^sluice is ready on (\S+), admin on (\S+) \(gateway\.yaml\)\n/
    const [, url = '', adminUrl = ''] = await this.until('stdout', line)
    return { url, adminUrl }
  }
}

async function start(
  config: string,
  args: readonly string[] = [],
  env: Readonly<Record<string, string>> = {},
): Promise<Running & { file: string }> {
  const cwd = await folderOf({ 'gateway.yaml': config })
  const child = spawn(process.execPath, [MAIN, 'run', 'gateway.yaml', ...args], {
    cwd,
    env: { PATH: process.env['PATH'], ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  return Object.assign(new Running(child), { file: path.join(cwd, 'gateway.yaml') })
}

function chat(url: string, stream: boolean): Promise<Response> {
  return fetch(`${url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      model: 'demo',
      stream,
      messages: [{ role: 'user', content: 'a few words, please' }],
    }),
  })
}

describe('sluice run', () => {
  it('says in one line where it listens, and serves there', async () => {
    const gateway = await start(CONFIG)
    const { url, adminUrl } = await gateway.ready()
    expect((await chat(url, false)).status).toBe(200)
    expect((await fetch(`${adminUrl}/readyz`)).status).toBe(200)
    gateway.child.kill('SIGINT')
    expect(await gateway.exit).toBe(0)
    expect(gateway.stdout.split('\n')).toHaveLength(2)
    expect(gateway.stderr).toBe('')
  })

  it('begins anew with the flag that scripts inside the gateway need, as the same process', async () => {
    const inline = CONFIG.replace(
      'upstream: demo }',
      `upstream: demo, pipeline: [script: { sandbox: inline, on: response, code: "res.headers['x-a'] = '1'" }] }`,
    )
    const gateway = await start(inline, ['--json'])
    const [line] = await gateway.until('stdout', /.*\n/)
    const { url, pid } = JSON.parse(line) as { url: string; pid: number }
    expect(pid).toBe(gateway.child.pid)
    expect((await chat(url, false)).headers.get('x-a')).toBe('1')
    gateway.child.kill('SIGINT')
    expect(await gateway.exit).toBe(0)
    expect(gateway.stderr).toBe('')
  })

  it('says it as one line of JSON', async () => {
    const gateway = await start(CONFIG, ['--json'])
    const [line] = await gateway.until('stdout', /.*\n/)
    expect(JSON.parse(line)).toEqual({
      event: 'ready',
      url: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+$/),
      adminUrl: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+$/),
      file: 'gateway.yaml',
      pid: gateway.child.pid,
    })
  })

  it('shows how to try it, when somebody has typed npm start', async () => {
    const gateway = await start(CONFIG, [], { npm_lifecycle_event: 'start' })
    const { url } = await gateway.ready()
    const [, command = ''] = await gateway.until('stderr', /^ {2}try: (curl .*)\n$/)
    expect(command).toContain(`curl ${url}/v1/chat/completions -H 'content-type: application/json'`)
    const body = /-d '(.*)'$/.exec(command)![1]!
    const headers = { 'content-type': 'application/json' }
    const answer = await fetch(`${url}/v1/chat/completions`, { method: 'POST', headers, body })
    expect(answer.status).toBe(200)
  })

  it('drains when it is told to stop: readiness off, streams to their end, exit code 0', async () => {
    const gateway = await start(SLOW)
    const { url, adminUrl } = await gateway.ready()
    const answer = await chat(url, true)
    const text = answer.text()
    gateway.child.kill('SIGTERM')
    let readiness = 200
    while (readiness === 200) readiness = (await fetch(`${adminUrl}/readyz`)).status
    expect(readiness).toBe(503)
    expect(await text).toMatch(/data: \[DONE\]\n\n$/)
    expect(await gateway.exit).toBe(0)
  })

  it('stops with exit code 0 also where scripts run in processes of their own', async () => {
    const scripted = CONFIG.replace(
      'upstream: demo }',
      `upstream: demo, pipeline: [script: { on: response, code: "res.headers['x-a'] = '1'" }] }`,
    )
    const gateway = await start(scripted)
    const { url } = await gateway.ready()
    expect((await chat(url, false)).headers.get('x-a')).toBe('1')
    gateway.child.kill('SIGTERM')
    expect(await gateway.exit).toBe(0)
    expect(gateway.stderr).toBe('')
  })

  it('ends at once on a second signal', async () => {
    const gateway = await start(SLOW.replace('300ms', '1h'))
    const { adminUrl } = await gateway.ready()
    gateway.child.kill('SIGTERM')
    let readiness = 200
    while (readiness === 200) readiness = (await fetch(`${adminUrl}/readyz`)).status
    gateway.child.kill('SIGTERM')
    expect(await gateway.exit).toBe(130)
  })

  it('survives a hangup while it stops', async () => {
    const gateway = await start(SLOW)
    const { url, adminUrl } = await gateway.ready()
    const text = (await chat(url, true)).text()
    gateway.child.kill('SIGTERM')
    while ((await fetch(`${adminUrl}/readyz`)).status === 200);
    gateway.child.kill('SIGHUP')
    expect(await text).toMatch(/data: \[DONE\]\n\n$/)
    expect(await gateway.exit).toBe(0)
    expect(gateway.stderr).toBe('')
  })
})

describe('a hangup', () => {
  it('reloads the config, and says so', async () => {
    const gateway = await start(CONFIG)
    const { url } = await gateway.ready()
    const changed = '{ dialect: demo, demo: { text: changed } }'
    await writeFile(gateway.file, CONFIG.replace('{ dialect: demo }', changed))
    gateway.child.kill('SIGHUP')
    await gateway.until('stderr', /^sluice: config reloaded \(2\)\n/m)
    expect(await (await chat(url, false)).text()).toContain('"changed"')
    gateway.child.kill('SIGHUP')
    await gateway.until('stderr', /^sluice: config unchanged\n/m)
  })

  it('tells what is wrong with a config, and goes on with the one before', async () => {
    const gateway = await start(CONFIG)
    const { url } = await gateway.ready()
    await writeFile(gateway.file, `${CONFIG}sever: {}\n`)
    gateway.child.kill('SIGHUP')
    await gateway.until('stderr', /^sluice: config refused, the one before goes on\n/m)
    expect(gateway.stderr).toMatch(/^gateway\.yaml:9:1 sever: unknown option\n {2}hint: did you/m)
    expect((await chat(url, false)).status).toBe(200)
  })
})

describe('a start', () => {
  it('is refused with all positions for a config that is wrong', async () => {
    const gateway = await start(`${CONFIG}sever: {}\nstore: nowhere\n`)
    expect(await gateway.exit).toBe(1)
    expect(gateway.stdout).toBe('')
    expect(gateway.stderr).toMatch(/^gateway\.yaml:9:1 sever: unknown option$/m)
    expect(gateway.stderr).toMatch(/^gateway\.yaml:10:8 store: expected memory:/m)
  })

  it('is refused for a secret that is not there, which check forgives', async () => {
    const gateway = await start(CONFIG.replace('dialect: demo', 'dialect: demo, keys: ["${KEY}"]'))
    expect(await gateway.exit).toBe(1)
    expect(gateway.stderr).toContain('gateway.yaml:7:44 upstreams.demo.keys[0]: ${KEY} is not set')
  })

  it('tells warnings, and refuses them when it is strict', async () => {
    const config = CONFIG.replace('dialect: demo', 'dialect: demo, keys: [sk-1]')
    const gateway = await start(config)
    await gateway.ready()
    await gateway.until('stderr', /warning: upstreams\.demo\.keys\[0\]: a secret is written out/)
    const strict = await start(config, ['--strict'])
    expect(await strict.exit).toBe(1)
    expect(strict.stdout).toBe('')
    expect(strict.stderr).toContain('a secret is written out here')
  })

  it('names the port that is in use', async () => {
    const server = createServer().listen(0, '127.0.0.1')
    onTestFinished(() => void server.close())
    await once(server, 'listening')
    const { port } = server.address() as { port: number }
    const gateway = await start(CONFIG, ['--port', String(port)])
    expect(await gateway.exit).toBe(1)
    expect(gateway.stderr).toBe(
      `sluice: 127.0.0.1:${port} is in use by another program\n  hint: end that one, or take another port with --port N or --admin-port N\n`,
    )
  })

  it.each([
    ['--port', '70000', '--port takes a port from 0 to 65535, got "70000"'],
    ['--admin-port', 'x', '--admin-port takes a port from 0 to 65535, got "x"'],
    ['--log-level', 'loud', '--log-level takes debug, info, warn or error, got loud'],
  ])('is refused for %s %s', async (option, value, message) => {
    const { code, stderr } = await sluice(['run', option, value])
    expect(code).toBe(2)
    expect(stderr).toContain(message)
  })
})
