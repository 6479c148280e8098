import { chmod, readdir, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:net'
import path from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { clock, memory, openFiles, versionFinding } from '#core/cli/doctor/machine.ts'
import type { Finding } from '#core/cli/doctor/finding.ts'
import { hasRedis, TestRedis } from '../../support/redis.ts'
import { folderOf, sluice, SMALLEST } from './command-line.ts'

const MB = 1024 * 1024
/** Ports that nobody else takes, so that tests beside this one do not meet. */
const ANY_PORT = 'server: { port: 0, admin: false }\n'

async function findings(args: readonly string[], cwd: string) {
  const { code, stdout } = await sluice(['doctor', '--json', ...args], { cwd })
  const { ok, findings } = JSON.parse(stdout) as { ok: boolean; findings: Finding[] }
  expect(ok).toBe(code === 0)
  return { code, of: (subject: string) => findings.find((one) => one.subject === subject) }
}

/** A listener that takes connections and says nothing; its port. */
async function listen(): Promise<number> {
  const server: Server = createServer((socket) => socket.on('error', () => {}).resume())
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => new Promise<void>((resolve) => void server.close(() => resolve())))
  return (server.address() as { port: number }).port
}

describe('sluice doctor', () => {
  it('finds a machine on which the gateway runs well', async () => {
    const cwd = await folderOf({ '.keep': '' })
    const store = `store: sqlite:${cwd}/sluice.db\n`
    await writeFile(path.join(cwd, 'gateway.yaml'), `${SMALLEST}${ANY_PORT}${store}`)
    const { code, of } = await findings(['gateway.yaml'], cwd)
    expect(code).toBe(0)
    for (const subject of ['node', 'undici', 'ws', 'koa', 'clock', 'config', 'server port']) {
      expect(of(subject)).toMatchObject({ state: 'ok' })
    }
    expect(of('store')).toMatchObject({ state: 'ok', message: 'sqlite opens and is writable' })
    // Closed again: SQLite has put its log away.
    expect((await readdir(cwd)).sort()).toEqual(['.keep', 'gateway.yaml', 'sluice.db'])
    expect(of('file watch')).toMatchObject({ state: 'ok' })
    expect(of('files')).toMatchObject({ state: 'ok', message: 'one, readable' })
  })

  it('prints one line for each finding, and its remedy below', async () => {
    const cwd = await folderOf({ 'gateway.yaml': `${SMALLEST}${ANY_PORT}sever: 1\n` })
    const { code, stdout } = await sluice(['doctor'], { cwd })
    expect(code).toBe(1)
    expect(stdout).toMatch(/^ok {4}node +24\./m)
    expect(stdout).toMatch(/^fail {2}config +\.\/gateway\.yaml:5:1 sever: unknown option$/m)
    expect(stdout).toMatch(/^ +sluice check \.\/gateway\.yaml tells all of it$/m)
  })

  it('names a port that is taken', async () => {
    const port = await listen()
    const server = `server: { port: 0, admin: "127.0.0.1:${port}" }\n`
    const cwd = await folderOf({ 'gateway.yaml': `${SMALLEST}${server}` })
    const { code, of } = await findings([], cwd)
    expect(code).toBe(1)
    expect(of('admin port')).toMatchObject({
      state: 'fail',
      message: `127.0.0.1:${port} is in use`,
      remedy: 'end what listens there (ss -ltnp), or set server.admin',
    })
  })

  it.skipIf(!hasRedis)('asks a store on a server whether it keeps what is written', async () => {
    const server = await TestRedis.start([
      '--maxmemory',
      '99mb',
      '--maxmemory-policy',
      'allkeys-lru',
    ])
    onTestFinished(() => server.stop())
    const store = `store: { url: "${server.url}", ledger: "memory:" }\n`
    const cwd = await folderOf({ 'gateway.yaml': `${SMALLEST}${ANY_PORT}${store}` })
    expect((await findings([], cwd)).of('store')).toMatchObject({
      state: 'warn',
      remedy: 'maxmemory-policy noeviction',
    })
    await server.run('CONFIG', 'SET', 'maxmemory-policy', 'noeviction')
    expect((await findings([], cwd)).of('store')).toMatchObject({
      state: 'ok',
      message: 'redis opens and is writable',
    })
    await server.kill()
    const { code, of } = await findings([], cwd)
    expect(code).toBe(1)
    expect(of('store')).toMatchObject({
      state: 'fail',
      message: expect.stringContaining('nothing listens there (ECONNREFUSED)') as string,
    })
  })

  it('names a store that cannot be opened', async () => {
    const cwd = await folderOf({ 'a-file': '' })
    const store = `store: sqlite:${cwd}/a-file/sluice.db\n`
    await writeFile(path.join(cwd, 'gateway.yaml'), `${SMALLEST}${ANY_PORT}${store}`)
    const { code, of } = await findings([], cwd)
    expect(code).toBe(1)
    expect(of('store')).toMatchObject({ state: 'fail' })
  })

  it('warns of a config that anybody may change', async () => {
    const cwd = await folderOf({ 'gateway.yaml': `${SMALLEST}${ANY_PORT}` })
    const file = path.join(cwd, 'gateway.yaml')
    await chmod(file, 0o666)
    const { code, of } = await findings([], cwd)
    expect(code).toBe(0)
    expect(of('files')).toMatchObject({ state: 'warn', remedy: `chmod o-w ${file}` })
  })

  it('connects to upstreams only when it may', async () => {
    const port = await listen()
    const auth = (tokenPort: number) =>
      `auth: { type: oauth2-client-credentials, tokenUrl: 'http://127.0.0.1:${tokenPort}/t', clientId: a, clientSecret: '\${X:-}' }`
    const upstreams = `  here: { url: 'http://127.0.0.1:${port}', ${auth(1)} }\n  gone: { url: 'http://127.0.0.1:1', ${auth(port)} }\n`
    const routes = 'routes: [{ id: all, upstream: { if: [$req.headers.x-a, here, gone] } }]\n'
    const config = `version: 1\n${ANY_PORT}upstreams:\n${upstreams}${routes}`
    const cwd = await folderOf({ 'gateway.yaml': config })
    const alone = await findings([], cwd)
    expect(alone.code).toBe(0)
    expect(alone.of('upstream here')).toBeUndefined()
    const { code, of } = await findings(['--network'], cwd)
    expect(code).toBe(1)
    expect(of('upstream here')).toMatchObject({ state: 'ok' })
    expect(of('upstream gone')).toMatchObject({ state: 'fail' })
    expect(of('tokens of upstream here')).toMatchObject({ state: 'fail' })
    expect(of('tokens of upstream gone')).toMatchObject({ state: 'ok' })
    expect(of('upstream gone')?.message).toContain('127.0.0.1:1')
  })
})

describe('the machine', () => {
  it.each([
    ['24.14.0', '>=24.14', 'ok'],
    ['24.13.9', '>=24.14', 'fail'],
    ['25.0.0', '>=24.14', 'ok'],
    ['8.12.3', '~8.12.4', 'fail'],
    ['8.12.4', '^8.12.4', 'ok'],
    ['9.0.0-rc.1', '^8.12.4', 'ok'],
    [undefined, '^8.12.4', 'fail'],
  ])('with version %s for %s is %s', (version, range, state) => {
    expect(versionFinding('x', version, range, 'npm ci')).toMatchObject({ state })
  })

  it('needs two open files for each connection', () => {
    expect(openFiles(2_000, 1_000)).toMatchObject({ state: 'ok' })
    expect(openFiles(1_999, 1_000)).toMatchObject({ state: 'warn' })
    expect(openFiles(1_999, 1_000).remedy).toContain('ulimit -n 2000')
    expect(openFiles(undefined, 1_000)).toMatchObject({ state: 'ok' })
  })

  it('must not let the heap outgrow what there is', () => {
    expect(memory({ heap: 2_048 * MB, machine: Infinity })).toMatchObject({ state: 'ok' })
    expect(memory({ heap: 400 * MB, machine: 512 * MB })).toMatchObject({ state: 'ok' })
    expect(memory({ heap: 2_048 * MB, machine: 512 * MB })).toMatchObject({
      state: 'warn',
      remedy: 'NODE_OPTIONS=--max-old-space-size=384',
    })
    expect(memory({ heap: 100 * MB, machine: 128 * MB })).toMatchObject({ state: 'warn' })
  })

  it('must know what year it is', () => {
    expect(clock(Date.UTC(2026, 1))).toMatchObject({ state: 'ok' })
    expect(clock(0)).toMatchObject({
      state: 'fail',
      message: '1970-01-01T00:00:00.000Z is in the past',
    })
  })
})
