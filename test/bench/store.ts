/**
 * What a reservation and its settlement cost, by store: `npm run bench:store -- --seconds 2`. For each store and algorithm,
 * pairs of reserve and settle on one of 1,000 counters, with two limits each, as a step with requests and tokens makes
 * them: one after the other, for the time that a request waits, and 200 at once, for what the machine can do.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { openStore } from '#core/store/open.ts'
import type { Counters, Limit } from '#core/store/store.ts'
import { TestRedis } from '../support/redis.ts'

const { values } = parseArgs({ options: { seconds: { type: 'string', default: '2' } } })
const milliseconds = Number(values.seconds) * 1_000

const ALGORITHMS = ['fixed-window', 'sliding-window', 'token-bucket'] as const
const COUNTERS = 1_000
const AT_ONCE = 200

let count = 0

/** One request's part in the store. */
async function pair(counters: Counters, algorithm: Limit['algorithm']): Promise<void> {
  const id = `bench/${count}`
  const key = `user ${count++ % COUNTERS}`
  const limit = { key, algorithm, limit: 1e9, windowMs: 60_000 }
  const charges = [
    { limit: { ...limit, key: `requests/${key}` }, amount: 1 },
    { limit: { ...limit, key: `tokens/${key}` }, amount: 4_096 },
  ]
  await counters.reserve(id, charges, 660_000)
  await counters.settle(id, [1, 1_200])
}

interface Measured {
  readonly pairs: number
  /** Of this process. Microseconds for each pair. */
  readonly cpu: number
  /** Milliseconds from the call of `reserve` to the answer of `settle`. */
  readonly median: number
  readonly p99: number
  readonly perSecond: number
}

async function measure(work: () => Promise<void>, workers: number): Promise<Measured> {
  const times: number[] = []
  const startedAt = performance.now()
  const cpuBefore = process.cpuUsage()
  const worker = async () => {
    while (performance.now() - startedAt < milliseconds) {
      const at = performance.now()
      await work()
      times.push(performance.now() - at)
    }
  }
  await Promise.all(Array.from({ length: workers }, worker))
  const elapsed = performance.now() - startedAt
  const { user, system } = process.cpuUsage(cpuBefore)
  times.sort((a, b) => a - b)
  return {
    pairs: times.length,
    cpu: (user + system) / times.length,
    median: times[Math.floor(times.length / 2)]!,
    p99: times[Math.floor(times.length * 0.99)]!,
    perSecond: (times.length / elapsed) * 1_000,
  }
}

const folder = await mkdtemp(join(tmpdir(), 'sluice-bench-'))
const server = await TestRedis.start()
try {
  console.log(
    'store   algorithm       CPU/pair  server CPU/pair  alone: median, p99     200 at once',
  )
  for (const url of ['memory:', `sqlite:${join(folder, 'store.db')}`, server.url]) {
    const store = await openStore(url, { now: Date.now })
    for (const algorithm of ALGORITHMS) {
      const work = () => pair(store.counters, algorithm)
      // Warm, and all counters are there.
      await Promise.all(Array.from({ length: COUNTERS }, work))
      const alone = await measure(work, 1)
      const before = await serverCpu()
      const many = await measure(work, AT_ONCE)
      const after = await serverCpu()
      const isServer = url === server.url
      console.log(
        [
          url.slice(0, url.indexOf(':')).padEnd(7),
          algorithm.padEnd(15),
          `${many.cpu.toFixed(1)} µs`.padStart(8),
          (isServer ? `${(((after - before) * 1e6) / many.pairs).toFixed(1)} µs` : '').padStart(16),
          ` ${alone.median.toFixed(3)} ms, ${alone.p99.toFixed(3)} ms`.padEnd(22),
          `${Math.round(many.perSecond).toLocaleString('en')} pairs/s`.padStart(14),
        ].join(' '),
      )
    }
    await store.close()
  }
} finally {
  await server.stop()
  await rm(folder, { recursive: true, force: true })
}

/** Seconds that the server has computed for. */
async function serverCpu(): Promise<number> {
  const info = String(await server.run('INFO', 'cpu'))
  const seconds = [...info.matchAll(/^used_cpu_(?:sys|user):([\d.]+)/gm)].map(([, value]) =>
    Number(value),
  )
  return seconds.reduce((sum, value) => sum + value, 0)
}
