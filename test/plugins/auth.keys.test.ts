import { fork } from 'node:child_process'
import fc from 'fast-check'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import type { JsonObject } from '#core/kit/json.ts'
import { formatTime } from '#core/kit/time.ts'
import { type TestedPlugin, testPlugin } from '#core/testing.ts'
import auth from '#plugins/auth/auth.ts'
import { isKeyText, KEY_PATTERN, mintKey } from '#plugins/auth/key-text.ts'
import { folderOf, sluice } from '../core/cli/command-line.ts'
import { startTestGateway, type TestGateway } from '../support/gateway.ts'
import { hasRedis, TestRedis } from '../support/redis.ts'

const PEPPER = 'a-pepper-of-some-length'

interface Made extends JsonObject {
  key: string
  id: string
}

async function create(tested: TestedPlugin, wish: JsonObject = {}): Promise<Made> {
  const { body } = await tested.admin('POST', '/keys', { name: 'ci', ...wish })
  return body as Made
}

async function statusOf(tested: TestedPlugin, key: string): Promise<number> {
  const headers = { authorization: `Bearer ${key}` }
  return (await tested.request({ path: '/v1/models', headers })).status
}

describe('the text of a key', () => {
  it('is known at sight, and so is a slip in it', () => {
    const key = mintKey()
    expect(key).toMatch(KEY_PATTERN)
    expect(isKeyText(key)).toBe(true)
    fc.assert(
      fc.property(fc.nat(key.length - 1), fc.constantFrom('0', 'Z', 'z', '_'), (at, letter) => {
        const slip = key.slice(0, at) + letter + key.slice(at + 1)
        return isKeyText(slip) === (slip === key)
      }),
    )
  })

  it('holds 190 random bits: every letter is as likely as any other', () => {
    const counts = new Map<string, number>()
    for (let at = 0; at < 2_000; at++) {
      for (const letter of mintKey().slice(7, 39)) {
        counts.set(letter, (counts.get(letter) ?? 0) + 1)
      }
    }
    expect(counts.size).toBe(62)
    // 64,000 letters: 1,032 of each, give or take six standard deviations.
    for (const count of counts.values()) expect(Math.abs(count - 1_032)).toBeLessThan(200)
  })
})

describe('a key of the store', () => {
  it('is made, used, listed and revoked; only its digest is kept', async () => {
    const tested = await testPlugin(auth, { apiKeys: { pepper: PEPPER } })
    const { key, id } = await create(tested, { user: 'ada' })
    expect(isKeyText(key)).toBe(true)
    expect(await statusOf(tested, key)).toBe(200)
    const { body } = await tested.admin('GET', '/keys')
    expect(body).toMatchObject({ keys: [{ id, name: 'ci', user: 'ada', status: 'valid' }] })
    expect((body as { keys: JsonObject[] }).keys[0]!['start']).toBe(`${key.slice(0, 11)}…`)
    const kept = JSON.stringify(await tested.store.keyValue('auth/keys').getMany(['1', '2']))
    expect(kept).toContain(id)
    for (const text of [kept, JSON.stringify(body), JSON.stringify(tested.emitted)]) {
      expect(text).not.toContain(key.slice(11))
    }
    expect((await tested.admin('DELETE', `/keys/${id}`)).body).toMatchObject({ status: 'revoked' })
    expect(await statusOf(tested, key)).toBe(401)
    expect(
      tested.emitted.map(({ name, data }) => [name, data['action'] ?? data['reason']]),
    ).toEqual([
      ['admin', 'keys.create'],
      ['admin', 'keys.revoke'],
      ['auth', 'revoked'],
    ])
  })

  it('expires', async () => {
    const tested = await testPlugin(auth)
    const { key } = await create(tested, { expires: '90s' })
    await tested.clock.advance(89_999)
    expect(await statusOf(tested, key)).toBe(200)
    await tested.clock.advance(1)
    expect(await statusOf(tested, key)).toBe(401)
  })

  it('is renewed without a moment in which no text is valid', async () => {
    const tested = await testPlugin(auth)
    const { key, id } = await create(tested, { expires: '30s' })
    const { body } = await tested.admin('POST', `/keys/${id}/renew`, {
      overlap: '10s',
      expires: '60s',
    })
    const renewed = body as Made
    expect(renewed.id).toBe(id)
    expect([await statusOf(tested, key), await statusOf(tested, renewed.key)]).toEqual([200, 200])
    await tested.clock.advance(10_000)
    expect([await statusOf(tested, key), await statusOf(tested, renewed.key)]).toEqual([401, 200])
    await tested.clock.advance(49_999)
    expect(await statusOf(tested, renewed.key)).toBe(200)
    await tested.admin('DELETE', `/keys/${id}`)
    expect(await statusOf(tested, renewed.key)).toBe(401)
    await expect(tested.admin('POST', `/keys/${id}/renew`, {})).rejects.toThrow('was revoked')
  })

  it('gives its owner, and says when it was used', async () => {
    const tested = await testPlugin(auth, { events: 'all' })
    const { key, id } = await create(tested, { user: 'ada', consumer: 'ada-laptop' })
    await statusOf(tested, key)
    expect(tested.emitted.at(-1)?.data).toMatchObject({ consumer: 'ada-laptop', key: id })
    const { body } = await tested.admin('GET', `/keys/${id}`)
    expect(body).toMatchObject({ lastUsedAt: formatTime(tested.clock.now) })
  })

  it('is refused by another pepper, and that is said', async () => {
    const file = `sqlite:${await folderOf({})}/keys.db`
    const withPepper = (pepper: string) =>
      startTestGateway(`
store: "${file}"
upstreams: { demo: { dialect: demo } }
pipelines: { main: [ { auth: { apiKeys: { pepper: ${pepper} } } } ] }
routes: [{ id: all, pipeline: main, upstream: demo }]
`)
    const first = await withPepper(PEPPER)
    const { key } = await createAt(first, {})
    expect(await ask(first.url, key)).toBe(200)
    const second = await withPepper('another-pepper-here')
    expect(await ask(second.url, key)).toBe(401)
    expect(second.logs).toContainEqual(
      expect.objectContaining({ level: 'warn', message: 'api keys are not accepted' }),
    )
  })

  it('is seen by all where many are made at once, and where a writer died on the way', async () => {
    const tested = await testPlugin(auth)
    const number = { key: 'auth/keys:sequence', algorithm: 'total', limit: 2 ** 52 } as const
    await tested.store.counters.reserve('a-writer-that-dies', [{ limit: number, amount: 1 }], 1)
    const made = await Promise.all(Array.from({ length: 30 }, () => create(tested)))
    expect(new Set(made.map(({ id }) => id)).size).toBe(30)
    const other = await testPlugin(auth)
    for (const { key } of made) {
      expect(await statusOf(tested, key)).toBe(200)
      expect(await statusOf(other, key)).toBe(401)
    }
    // It was only slow: its row counts all the same, in its place.
    const late = await create(other)
    const [row] = await other.store.keyValue('auth/keys').getMany(['1'])
    await tested.store.keyValue('auth/keys').set('1', row!, Infinity)
    await tested.admin('DELETE', `/keys/${made[0]!.id}`)
    expect(await statusOf(tested, late.key)).toBe(200)
    expect(await statusOf(tested, made[0]!.key)).toBe(401)
    expect(await statusOf(tested, made[1]!.key)).toBe(200)
  })

  it.each([
    [{}, 'name: is missing'],
    [{ name: 'a', rolls: ['user'] }, 'rolls: is not known; did you mean roles?'],
    [{ name: 'a', roles: 'user' }, 'roles: expected a list'],
    [{ name: 'a', roles: ['usr'] }, 'roles: "usr" is not known, expected user'],
    [{ name: 'a' }, 'roles: is missing: at least one of user'],
    [{ name: 'a', roles: ['user'], expires: 'soon' }, 'expires: expected a duration such as 90d'],
    [{ name: 'a', roles: ['user'], expires: '2020-01-01' }, 'expires: lies in the past'],
    [{ name: 'a', roles: ['user'], models: ['x'] }, 'models: the step does not read the model'],
    [['a'], 'expected a JSON object'],
  ])('is not made of %j', async (wish, message) => {
    const tested = await testPlugin(auth, { rbac: { roles: { user: { permissions: ['read'] } } } })
    await expect(tested.admin('POST', '/keys', wish as JsonObject)).rejects.toThrow(message)
  })

  it('is one of at most maxKeys', async () => {
    const tested = await testPlugin(auth, { apiKeys: { maxKeys: 1 } })
    const { id } = await create(tested)
    await expect(create(tested)).rejects.toThrow('there are 1 keys already')
    await tested.admin('DELETE', `/keys/${id}`)
    await create(tested)
    await expect(tested.admin('DELETE', '/keys/key_none')).rejects.toThrow('there is no key')
  })

  it('goes on for maxStale while the store is down, and no longer', async () => {
    const tested = await testPlugin(auth, { apiKeys: { maxStale: '1m' } })
    const { key } = await create(tested)
    vi.spyOn(tested.store.counters, 'read').mockRejectedValue(new Error('connection lost'))
    await tested.clock.advance(59_000)
    expect(await statusOf(tested, key)).toBe(200)
    await tested.clock.advance(2_000)
    expect(await statusOf(tested, key)).toBe(503)
    expect(tested.log.filter(({ message }) => message === 'api keys cannot be read')).toHaveLength(
      1,
    )
    vi.restoreAllMocks()
    await tested.clock.advance(5_000)
    expect(await statusOf(tested, key)).toBe(200)
  })
})

describe('several nodes on one store', () => {
  const config = (store: string) => `
store: "${store}"
upstreams: { demo: { dialect: demo } }
pipelines: { main: [ { auth: { rbac: { roles: { user: { permissions: [read] } } } } } ] }
routes: [{ id: all, pipeline: main, upstream: demo }]
`

  async function startRedis(): Promise<TestRedis> {
    const redis = await TestRedis.start()
    onTestFinished(() => redis.stop())
    return redis
  }

  it.for([
    ['SQLite', async () => `sqlite:${await folderOf({})}/keys.db`, true],
    ['Redis', async () => (await startRedis()).url, hasRedis],
  ] as const)(
    'know of a new key and of a revoked one within a second: %s',
    async ([, open, isThere], { skip }) => {
      if (!isThere) skip()
      const yaml = config(await open())
      const other = await startOtherProcess(yaml)
      const gateway = await startTestGateway(yaml)
      const { key, id } = await createAt(gateway)
      expect(await until(() => ask(other.url, key), 200)).toBeLessThan(1_000)
      const revoked = await fetch(`${gateway.adminUrl}/admin/auth/keys/${id}`, { method: 'DELETE' })
      expect(revoked.status).toBe(200)
      expect(await ask(gateway.url, key)).toBe(401)
      expect(await until(() => ask(other.url, key), 401)).toBeLessThan(1_000)
    },
  )

  it.runIf(hasRedis)('know the same where the store has lost its data', async () => {
    const redis = await startRedis()
    const gateway = await startTestGateway(config(redis.url))
    const { key } = await createAt(gateway)
    expect(await ask(gateway.url, key)).toBe(200)
    await redis.run('FLUSHALL')
    const { key: fresh } = await createAt(gateway)
    expect(await until(() => ask(gateway.url, fresh), 200)).toBeLessThan(1_000)
    expect(await ask(gateway.url, key)).toBe(401)
    expect(gateway.logs.map(({ message }) => message)).toContain('the store has lost api keys')
  })

  it('and the command, without a gateway', async () => {
    const store = `sqlite:${await folderOf({})}/keys.db`
    const cwd = await folderOf({ 'gateway.yaml': `version: 1${config(store)}` })
    const gateway = await startTestGateway(config(store))
    const refused = await sluice(['keys', 'create', 'ci', '--role', 'usr'], { cwd })
    expect(refused).toMatchObject({ code: 1, stdout: '' })
    expect(refused.stderr).toContain('"usr" is not known, expected user')
    const made = await sluice(['keys', 'create', 'ci', '--role', 'user', '--expires', '1d'], {
      cwd,
    })
    expect(made).toMatchObject({ code: 0 })
    const key = made.stdout.trim()
    expect(isKeyText(key)).toBe(true)
    expect(made.stderr).not.toContain(key)
    expect(await until(() => ask(gateway.url, key), 200)).toBeLessThan(1_000)
    const list = await sluice(['keys', 'list', '--json'], { cwd })
    const [record] = (JSON.parse(list.stdout) as { keys: Made[] }).keys
    expect(record).toMatchObject({ name: 'ci', roles: ['user'], status: 'valid' })
    const table = await sluice(['keys', 'list'], { cwd })
    expect(table.stdout).toMatch(/^id +name +start .*\nkey_\w+ +ci +sluice_\w{4}… +valid +user /)
    const renewed = await sluice(['keys', 'renew', record!.id, '--overlap', '0s'], { cwd })
    expect(await until(() => ask(gateway.url, key), 401)).toBeLessThan(1_000)
    expect(await ask(gateway.url, renewed.stdout.trim())).toBe(200)
    const revoked = await sluice(['keys', 'revoke', record!.id], { cwd })
    expect(revoked.stdout).toBe(`${record!.id} is revoked\n`)
    expect(await until(() => ask(gateway.url, renewed.stdout.trim()), 401)).toBeLessThan(1_000)
  })

  it.runIf(hasRedis)('and the command on a Redis with a password', async () => {
    const redis = await TestRedis.start(['--requirepass', 'redis-password'])
    onTestFinished(() => redis.stop())
    const map = `store: { url: "${redis.url}", password: "\${REDIS_PASSWORD}", ledger: "memory:" }`
    const yaml = config('memory:').replace(/store:.*/, map)
    const cwd = await folderOf({ 'gateway.yaml': `version: 1${yaml}` })
    const place = { cwd, env: { REDIS_PASSWORD: 'redis-password' } }
    const made = await sluice(['keys', 'create', 'ci', '--role', 'user'], place)
    expect(made).toMatchObject({ code: 0 })
    const list = await sluice(['keys', 'list'], place)
    expect(list.stdout).toContain(made.stdout.slice(0, 11))
  })

  it('which says why it cannot', async () => {
    const memory = config('memory:')
    const cwd = await folderOf({
      'gateway.yaml': `version: 1${memory}`,
      'away.yaml': `version: 1${config('redis://127.0.0.1:1')}`,
      'none.yaml':
        'version: 1\nupstreams: { demo: { dialect: demo } }\nroutes: [{ id: a, upstream: demo }]\n',
    })
    const said = async (...args: string[]) => (await sluice(['keys', ...args], { cwd })).stderr
    expect(await said('list')).toContain('the store is in memory, which no other process sees')
    expect(await said('list', '--config', 'away.yaml')).toMatch(
      /^sluice keys: store "redis:\/\/127.0.0.1:1": nothing listens there \(ECONNREFUSED\)\n$/,
    )
    expect(await said('list', '--config', 'none.yaml')).toContain('has the step auth')
    expect(await said('list', '--config', 'missing.yaml')).toContain('missing.yaml')
    expect(await said('make')).toContain('takes create NAME, list, renew ID')
    expect(await said('revoke')).toContain('revoke takes the id of a key')
    expect(await said('list', '--role', 'a')).toContain('--role is for create')
    expect(await said('digest')).toContain('reads the key from stdin')
  })
})

describe('sluice keys digest', () => {
  it('prints what may stand in the config in place of a key', async () => {
    const { stdout } = await sluice(['keys', 'digest'], { stdin: 'a-key-of-the-config-1234\n' })
    const entry = { id: 'ci', digest: stdout.trim() }
    const tested = await testPlugin(auth, { apiKeys: { static: [entry] } })
    expect(await statusOf(tested, 'a-key-of-the-config-1234')).toBe(200)
  })
})

async function createAt(
  { adminUrl }: TestGateway,
  wish: JsonObject = { roles: ['user'] },
): Promise<Made> {
  const made = await fetch(`${adminUrl}/admin/auth/keys`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ name: 'ci', ...wish }),
  })
  expect(made.status).toBe(201)
  return (await made.json()) as Made
}

async function ask(url: string, key: string): Promise<number> {
  const answer = await fetch(`${url}/v1/models`, { headers: { authorization: `Bearer ${key}` } })
  await answer.body?.cancel()
  return answer.status
}

/** Milliseconds until an answer is as expected. */
async function until(get: () => Promise<number>, status: number): Promise<number> {
  const start = performance.now()
  await vi.waitFor(async () => expect(await get()).toBe(status), { interval: 20, timeout: 5_000 })
  return performance.now() - start
}

/** `sluice run` as a process of its own. */
async function startOtherProcess(yaml: string): Promise<{ url: string }> {
  const cwd = await folderOf({ 'gateway.yaml': `version: 1\nreload: { watch: false }\n${yaml}` })
  const child = fork(
    'core/cli/main.ts',
    ['run', `${cwd}/gateway.yaml`, '--port', '0', '--admin-port', '0', '--json'],
    {
      silent: true,
      execPath: process.execPath,
    },
  )
  onTestFinished(() => void child.kill('SIGKILL'))
  const line = await new Promise<string>((resolve, reject) => {
    child.stdout!.once('data', (data: Buffer) => resolve(data.toString()))
    child.once('exit', (code) => reject(new Error(`exited with ${code}`)))
  })
  return JSON.parse(line) as { url: string }
}
