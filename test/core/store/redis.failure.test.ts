import { createClient } from 'redis'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { StoreUnavailable } from '#core/sdk.ts'
import { openStore } from '#core/store/open.ts'
import type { Store } from '#core/store/store.ts'
import { livedTime } from '../../support/lived.ts'
import { hasRedis, hasSentinel, TestSentinels } from '../../support/redis.ts'
import { listen } from './contract/channels.ts'
import { LIMIT, open, remaining, startLossyProxy, startServer, take } from './redis.fixture.ts'

/** The promise: rejected within half a second, right again within five. */
const REJECTED_MS = 500
const RECOVERED_MS = 5_000

const lived = livedTime()

/** How long it took to be told that the store is unavailable. */
async function refusedAfter(operation: Promise<unknown>): Promise<number> {
  const startedAt = lived()
  await expect(operation).rejects.toThrow(StoreUnavailable)
  return lived() - startedAt
}

/** That it was told of each change once: up and down in turns. */
function expectTurns(changes: readonly (string | undefined)[]): void {
  const states = changes.map((problem) => problem === undefined)
  expect(states.slice(-2)).toEqual([false, true])
  expect(states.filter((isUp, at) => isUp === states[at - 1])).toEqual([])
}

async function untilUp(store: Store): Promise<void> {
  await vi.waitFor(() => take(store), { timeout: RECOVERED_MS, interval: 20 })
  // Both connections: the other one is for values.
  await expect.poll(() => store.problem, { timeout: RECOVERED_MS }).toBeUndefined()
}

describe.skipIf(!hasRedis)('a store whose server', () => {
  test('is killed rejects within half a second, and works again when it is back', async () => {
    const server = await startServer()
    const { store, changes } = await open(server.url)
    await take(store)
    await server.kill()
    await expect.poll(() => store.problem).toMatch(/connection was cut|nothing listens/)
    expect(await refusedAfter(take(store))).toBeLessThan(REJECTED_MS)
    expect(await refusedAfter(store.keyValue('a').set('b', 1, 1_000))).toBeLessThan(REJECTED_MS)
    expect(await refusedAfter(store.channel('a').publish(1))).toBeLessThan(REJECTED_MS)
    await server.start()
    await untilUp(store)
    await expect.poll(() => changes.at(-1)).toBeUndefined()
    expectTurns(changes)
    expect(changes[1]).toMatch(/connection was cut/)
  })

  test.for(['stands still', 'pauses its clients'] as const)(
    '%s rejects within half a second, and takes back what it does later',
    async (how) => {
      const server = await startServer()
      const { store, changes } = await open(server.url)
      await take(store)
      const admin = await createClient({ url: server.url }).connect()
      onTestFinished(() => admin.destroy())
      if (how === 'stands still') server.pause()
      else await admin.sendCommand(['CLIENT', 'PAUSE', '1500', 'ALL'])
      const all = Array.from({ length: 200 }, () => refusedAfter(take(store, 2)))
      expect(Math.max(...(await Promise.all(all)))).toBeLessThan(REJECTED_MS)
      expect(await refusedAfter(take(store))).toBeLessThan(REJECTED_MS)
      expect(store.problem).toMatch(/no answer within|does not answer/)
      server.resume()
      await vi.waitFor(async () => expect(await remaining(store)).toBe(999), {
        timeout: RECOVERED_MS,
        interval: 20,
      })
      // What stood in the socket of the connection that was given up has been read by now.
      await expect.poll(() => clients(admin)).toBe(3)
      expect(await remaining(store)).toBe(999)
      expectTurns(changes)
    },
  )

  test('cuts the connection loses neither an operation nor counts it twice', async () => {
    const server = await startServer()
    const lossy = await startLossyProxy(server.port)
    const { store } = await open(`redis://127.0.0.1:${lossy.port}`)
    await take(store, 1, 'kept')
    lossy.loseAnswers()
    const brief = { limit: { ...LIMIT, key: 'brief' }, amount: 4 }
    const answers = [
      take(store, 5, 'new'),
      store.counters.reserve('brief', [brief], 1),
      store.counters.settle('kept', [3]),
      store.keyValue('a').set('b', 'c', 60_000),
    ]
    expect(await Promise.all(answers)).toMatchObject([{ ok: true }, { ok: true }, true, undefined])
    expect(lossy.lost).toBeGreaterThan(0)
    expect(await remaining(store)).toBe(1_000 - 5 - 3)
    expect(await store.counters.read([brief.limit])).toMatchObject([{ remaining: 996 }])
    expect(await store.keyValue('a').get('b')).toBe('c')
    await expect(take(store, 1, 'new')).rejects.toThrow(/"new" holds a reservation already/)
  })

  test('cuts the connection as soon as it is made is tried again', async () => {
    const server = await startServer()
    const lossy = await startLossyProxy(server.port)
    lossy.cutAt('memory')
    const { store } = await open(`redis://127.0.0.1:${lossy.port}`)
    await untilUp(store)
    expect(lossy.lost).toBe(1)
  })

  test('is away when a request ends is told later what that came to', async () => {
    const server = await startServer(['--appendonly', 'yes', '--appendfsync', 'always'])
    const { store } = await open(server.url)
    await take(store, 100, 'settled')
    await take(store, 100, 'released')
    await server.kill()
    await expect.poll(() => store.problem).toBeDefined()
    await refusedAfter(store.counters.settle('settled', [7]))
    await refusedAfter(store.counters.release('released'))
    await server.start()
    await vi.waitFor(async () => expect(await remaining(store)).toBe(993), {
      timeout: RECOVERED_MS,
      interval: 20,
    })
    expect(await store.counters.settle('settled', [7])).toBe(false)
  })

  test('forgets its scripts is told them again', async () => {
    const server = await startServer()
    const { store } = await open(server.url)
    const admin = await createClient({ url: server.url }).connect()
    onTestFinished(() => admin.destroy())
    await admin.sendCommand(['SCRIPT', 'FLUSH'])
    expect(await take(store)).toMatchObject({ ok: true })
    expect(await remaining(store)).toBe(999)
  })

  test('is not there yet is waited for in the background', async () => {
    const server = await startServer()
    await server.kill()
    const { store, changes } = await open(server.url)
    expect(changes).toEqual([expect.stringContaining('nothing listens there (ECONNREFUSED)')])
    expect(await refusedAfter(take(store))).toBeLessThan(REJECTED_MS)
    const heard = listen(store.channel('a'))
    await server.start()
    await untilUp(store)
    await store.channel('a').publish('hello')
    await expect.poll(async () => (await heard).heard).toEqual(['hello'])
  })

  test('was lost says to listeners that they may have missed something', async () => {
    const server = await startServer()
    const { store } = await open(server.url)
    let refreshed = 0
    const heard: unknown[] = []
    store.channel('a').subscribe(
      (message) => heard.push(message),
      () => void refreshed++,
    )
    await expect.poll(() => refreshed).toBe(1)
    await server.kill()
    await server.start()
    await expect.poll(() => refreshed, { timeout: RECOVERED_MS }).toBe(2)
    await untilUp(store)
    await store.channel('a').publish('again')
    await expect.poll(() => heard).toEqual(['again'])
  })

  test('is silent is noticed though nobody asks it anything', async () => {
    const server = await startServer()
    const { store } = await open(server.url)
    server.pause()
    await expect.poll(() => store.problem, { timeout: 3_000 }).toMatch(/no answer/)
    server.resume()
    await expect.poll(() => store.problem, { timeout: RECOVERED_MS }).toBeUndefined()
  })
})

describe.skipIf(!hasSentinel)('a store behind sentinels', () => {
  test.for(['killed', 'paused'] as const)(
    'moves on to the next master where the first is %s',
    { timeout: 30_000 },
    async (how) => {
      const master = await startServer()
      await startServer(['--replicaof', '127.0.0.1', String(master.port)])
      const sentinels = await TestSentinels.start(master, 500)
      onTestFinished(() => sentinels.stop())
      await sentinels.untilReady(1)
      const { store, changes } = await open(sentinels.url)
      await vi.waitFor(() => take(store, 10), { timeout: RECOVERED_MS })
      // Until the replica has it: what it does not have is lost with the master.
      expect(await master.run('WAIT', '1', '2000')).toBe(1)
      if (how === 'killed') await master.kill()
      else master.pause()
      const failedAt = lived()
      expect(await refusedAfter(take(store))).toBeLessThan(REJECTED_MS)
      await untilUp(store)
      expect(lived() - failedAt).toBeLessThan(RECOVERED_MS)
      expect(await remaining(store)).toBeLessThanOrEqual(989)
      expectTurns(changes)
      if (how === 'paused') master.resume()
    },
  )

  test('says which sentinels do not know the master', async () => {
    const master = await startServer()
    const sentinels = await TestSentinels.start(master, 500, 1)
    onTestFinished(() => sentinels.stop())
    const other = sentinels.url.replace(/mymaster$/, 'other')
    await expect(openStore(other, { now: Date.now })).rejects.toThrow(
      /the sentinels know no "other"/,
    )
    const { changes } = await open('redis+sentinel://127.0.0.1:1/mymaster')
    expect(changes).toEqual([expect.stringMatching(/no sentinel answers: nothing listens there/)])
  })
})

/** How many are connected. */
async function clients(admin: { sendCommand(args: string[]): Promise<unknown> }): Promise<number> {
  const list = (await admin.sendCommand(['CLIENT', 'LIST'])) as string
  return list.trim().split('\n').length
}
