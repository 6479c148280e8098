import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { startTestGateway } from '../support/gateway.ts'
import { livedTime } from '../support/lived.ts'
import { hasRedis, hasSentinel, TestRedis, TestSentinels } from '../support/redis.ts'

const MODES = ['closed', 'open', 'local'] as const
type Mode = (typeof MODES)[number]

const lived = livedTime()

/** Requests within a window that does not end: 100 while the store counts, 10 while a process counts alone. */
const config = (store: string) => `
store: { url: "${store}", ledger: "memory:" }
upstreams: { demo: { dialect: demo } }
pipelines:
${MODES.map((mode) => `  ${mode}: [{ rateLimiting: { id: ${mode}, onStoreError: ${mode}, localFraction: 0.1, strategy: fixed-window, limits: { all: { key: all, requests: 100, window: 365d } } } }]`).join('\n')}
routes:
${MODES.map((mode) => `  - { id: ${mode}, match: { api: openai-chat, headers: { x-mode: ${mode} } }, pipeline: ${mode}, upstream: demo }`).join('\n')}
`

/** What a client sees. */
interface Answer {
  readonly status: number
  /** How it was counted, where not as usual. */
  readonly counted: string | null
  readonly remaining: number
  readonly ms: number
}

async function ask(url: string, mode: Mode): Promise<Answer> {
  const startedAt = lived()
  const answer = await fetch(`${url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-mode': mode },
    body: '{"model":"demo","messages":[{"role":"user","content":"hi"}]}',
  })
  await answer.arrayBuffer()
  return {
    status: answer.status,
    counted: answer.headers.get('x-sluice-rate-limiting'),
    remaining: Number(answer.headers.get('x-ratelimit-remaining-requests')),
    ms: lived() - startedAt,
  }
}

/** A server that keeps what it has counted, whatever happens to it, and what happens. */
interface Trouble {
  readonly store: string
  begin(): Promise<void>
  end(): Promise<void>
}

async function startServer(args: readonly string[] = []): Promise<TestRedis> {
  const server = await TestRedis.start(args)
  onTestFinished(() => server.stop())
  return server
}

const TROUBLES: Readonly<Record<string, () => Promise<Trouble>>> = {
  async killed() {
    const server = await startServer(['--appendonly', 'yes', '--appendfsync', 'always'])
    return { store: server.url, begin: () => server.kill(), end: () => server.start() }
  },

  async paused() {
    const server = await startServer()
    return {
      store: server.url,
      begin: async () => server.pause(),
      end: async () => server.resume(),
    }
  },

  async 'failed over'() {
    const master = await startServer()
    await startServer(['--replicaof', '127.0.0.1', String(master.port)])
    const sentinels = await TestSentinels.start(master, 1_000)
    onTestFinished(() => sentinels.stop())
    await sentinels.untilReady(1)
    return {
      store: sentinels.url,
      async begin() {
        expect(await master.run('WAIT', '1', '5000')).toBe(1)
        await master.kill()
      },
      // The sentinels do it.
      end: async () => {},
    }
  },
}

const table = Object.keys(TROUBLES).filter((name) => name !== 'failed over' || hasSentinel)

describe.skipIf(!hasRedis)('limits counted by Redis', () => {
  test.for(table)(
    'do as declared while it is %s, and are exact afterwards',
    { timeout: 60_000 },
    async (name) => {
      const trouble = await TROUBLES[name]!()
      const { url, store } = await startTestGateway(config(trouble.store))
      await expect.poll(() => store.problem, { timeout: 5_000 }).toBeUndefined()
      const eachMode = <T>(what: (mode: Mode) => Promise<T>) => Promise.all(MODES.map(what))
      await eachMode((mode) => untilCounted(url, mode))
      const before = await eachMode((mode) => ask(url, mode))
      await trouble.begin()

      const first = await eachMode((mode) => ask(url, mode))
      expect(first).toMatchObject([
        { status: 503 },
        { status: 200, counted: 'open' },
        { status: 200, counted: 'local' },
      ])
      for (const { ms } of first) expect(ms).toBeLessThan(500)
      const more = await Promise.all(Array.from({ length: 15 }, () => ask(url, 'local')))
      const statuses = more.filter(({ counted }) => counted === 'local' || counted === null)
      expect(statuses.filter(({ status }) => status === 200).length).toBeLessThanOrEqual(9)

      await trouble.end()
      const endedAt = lived()
      const after = await eachMode((mode) => untilCounted(url, mode))
      expect(lived() - endedAt).toBeLessThan(5_000)
      // What was asked for in between was counted by nobody, or by the process alone.
      expect(after.map(({ remaining }) => remaining)).toEqual(
        before.map(({ remaining }) => remaining - 1),
      )
    },
  )
})

/** Asks until the store counts; the answer that it has counted. */
async function untilCounted(url: string, mode: Mode): Promise<Answer> {
  return vi.waitFor(
    async () => {
      const answer = await ask(url, mode)
      expect(answer).toMatchObject({ status: 200, counted: null })
      return answer
    },
    { timeout: 15_000, interval: 50 },
  )
}
