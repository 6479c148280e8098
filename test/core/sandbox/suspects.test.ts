import { existsSync, readFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { getPriority } from 'node:os'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest'
import { ScriptProcesses } from '#core/sandbox/processes.ts'
import { LOW_PRIORITY, type WorkerEnd } from '#core/sandbox/worker-process.ts'
import type { Logger } from '#core/sdk.ts'
import { TRUST_AFTER } from '#core/sandbox/subject.ts'
import { HOSTILE } from './hostile.ts'
import { MEMORY } from './outcome.ts'
import { call, program } from './programs.ts'

const silent = () => undefined
const log: Logger = { debug: silent, info: silent, warn: silent, error: silent }
/** One operation that V8 does not interrupt. */
const STUCK = 'let n = 2n; for (;;) n = n ** 2n'
/** Only where it is told to. */
const SLY = `if (req.body.stuck) { ${STUCK} }\nvars.n = req.body.n`
const LOST = { name: 'CellError', kind: 'timeout', tookProcess: true }

/** By when the call of one that runs apart is over, also on a busy machine. */
const APART_MS = 5_000

let processes: ScriptProcesses
let ended: WorkerEnd[]
let good: number

beforeEach(async () => {
  ended = []
  const own = new ScriptProcesses(log, { onEnd: (reason) => ended.push(reason) })
  onTestFinished(() => own.close())
  processes = own
  good = await own.load(program('vars.n = req.body.n', { timeoutMs: 2_000 }))
})

/** Starts of processes take long on a busy machine. */
const WAIT = { timeout: 20_000, interval: 5 }
const workers = (count: number) =>
  vi.waitFor(() => expect(processes.pids).toHaveLength(count), WAIT)
const settledDown = () => vi.waitFor(() => expect(processes.isSettled).toBe(true), WAIT)
const gone = (pid: number) =>
  vi.waitFor(() => expect(() => process.kill(pid, 0)).toThrow('ESRCH'), WAIT)
const lossOf = (subject: number, body: object = {}) =>
  processes.run(subject, call(body)).then(
    () => undefined,
    (cause: unknown) => cause,
  )
const said = async (subject: number, n: number) => {
  const { vars } = JSON.parse(await processes.run(subject, call({ n }))) as { vars: { n: number } }
  return vars.n
}
/** Has a script behave until it runs where the others do. */
async function trusted(code: string, limits: { timeoutMs?: number } = {}): Promise<number> {
  const subject = await processes.load(program(code, limits))
  for (let n = 0; n <= TRUST_AFTER; n++) await said(subject, n)
  await settledDown()
  return subject
}

describe('a script that is new', { timeout: 60_000 }, () => {
  beforeEach(settledDown)

  it('costs its own call and the spare, and others not even a second try', async () => {
    const [active, spare] = processes.pids
    const stuck = await processes.load(program(STUCK))
    const loss = lossOf(stuck)
    const others = Array.from({ length: 50 }, (_, n) => said(good, n))
    expect(await loss).toMatchObject(LOST)
    expect(await Promise.all(others)).toEqual(Array.from({ length: 50 }, (_, n) => n))
    await gone(spare!)
    expect(processes.pids[0]).toBe(active)
    expect(ended).toEqual(['timeout'])
  })

  it('is run apart from all others once it could not be stopped, however often', async () => {
    const sly = await processes.load(program(SLY))
    expect(await lossOf(sly, { stuck: true })).toMatchObject(LOST)
    await vi.waitFor(() => expect(ended).toEqual(['timeout']), WAIT)
    await workers(3)
    await settledDown()
    const [active, spare] = processes.pids
    for (let n = 0; n < 3; n++) expect(await lossOf(sly, { stuck: true })).toMatchObject(LOST)
    expect(await said(sly, 7)).toBe(7)
    expect(await said(good, 8)).toBe(8)
    expect(processes.pids.slice(0, 2)).toEqual([active, spare])
    expect(ended).toHaveLength(4)
    processes.forget(sly)
    expect(processes.pids).toEqual([active, spare])
  })

  it('ends within seconds once it runs apart, and its next call is answered', async () => {
    const sly = await processes.load(program(SLY))
    expect(await lossOf(sly, { stuck: true })).toMatchObject(LOST)
    // Each of these waits for a process that is started for it.
    for (let n = 0; n < 2; n++) {
      const startedAt = performance.now()
      expect(await lossOf(sly, { stuck: true })).toMatchObject(LOST)
      expect(performance.now() - startedAt).toBeLessThan(APART_MS)
      expect(await said(sly, n)).toBe(n)
    }
  })

  it('takes its other calls along, so that these cost nobody a process either', async () => {
    const [active] = processes.pids
    const sly = await processes.load(program(SLY))
    const losses = Array.from({ length: 3 }, () => lossOf(sly, { stuck: true }))
    for (const loss of await Promise.all(losses)) expect(loss).toBeInstanceOf(Error)
    expect(await said(sly, 7)).toBe(7)
    expect(await said(good, 8)).toBe(8)
    expect(processes.pids[0]).toBe(active)
  })

  it('goes on with the others when the spare is lost to somebody else', async () => {
    const [, spare] = processes.pids
    const fresh = await processes.load(program('vars.n = req.body.n', { timeoutMs: 2_000 }))
    const calls = Array.from({ length: 20 }, (_, n) => said(fresh, n))
    process.kill(spare!, 'SIGKILL')
    expect(await Promise.all(calls)).toEqual(Array.from({ length: 20 }, (_, n) => n))
  })
})

describe('a script that has earned trust', { timeout: 60_000 }, () => {
  beforeEach(settledDown)

  it('costs the working process when it cannot be stopped, and the spare takes over', async () => {
    const sly = await trusted(SLY)
    const [active, spare] = processes.pids
    const loss = lossOf(sly, { stuck: true })
    const others = Array.from({ length: 50 }, (_, n) => said(good, n))
    expect(await loss).toMatchObject(LOST)
    expect(await Promise.all(others)).toEqual(Array.from({ length: 50 }, (_, n) => n))
    await gone(active!)
    expect(processes.pids[0]).toBe(spare)
    expect(ended).toEqual(['timeout'])
  })

  it('leaves the others where they are until the spare can take over', async () => {
    const sly = await trusted(SLY)
    const [active, spare] = processes.pids
    process.kill(spare!, 'SIGKILL')
    await gone(spare!)
    expect(await lossOf(sly, { stuck: true })).toMatchObject(LOST)
    expect(await said(good, 7)).toBe(7)
    expect(processes.pids[0]).toBe(active)
    await gone(active!)
    expect(ended).toEqual(['ended', 'timeout'])
    expect(await said(good, 8)).toBe(8)
  })

  it('is watched like a new one once it meets a limit', async () => {
    // Long enough to have its share of a busy machine: who has not is run again, where the others are.
    const sly = await trusted(`if (req.body.late) for (;;);\n${SLY}`, { timeoutMs: 500 })
    const [active, spare] = processes.pids
    expect(await lossOf(sly, { late: true })).toMatchObject({ kind: 'timeout' })
    expect(await lossOf(sly, { stuck: true })).toMatchObject(LOST)
    await gone(spare!)
    expect(processes.pids[0]).toBe(active)
  })
})

describe.skipIf(!existsSync('/proc/self/autogroup'))('a process', { timeout: 60_000 }, () => {
  beforeEach(settledDown)
  /** `/autogroup-123 nice 10`, by proc(5). */
  const groupNice = (pid: number) =>
    Number(/nice (-?\d+)/.exec(readFileSync(`/proc/${pid}/autogroup`, 'utf8'))![1])

  it('gives way to others while it stands by, and no more once it takes over', async () => {
    const [active, spare] = processes.pids
    await vi.waitFor(() => expect(groupNice(spare!)).toBe(LOW_PRIORITY), WAIT)
    expect(groupNice(active!)).toBe(0)
    process.kill(active!, 'SIGKILL')
    await vi.waitFor(() => expect(processes.pids[0]).toBe(spare), WAIT)
    await vi.waitFor(() => expect(groupNice(spare!)).toBe(0), WAIT)
    // Nor in its group, where it could not be taken back.
    expect(getPriority(spare)).toBe(0)
  })

  it('gives way for good where it is one of suspects', async () => {
    const sly = await processes.load(program(SLY))
    await lossOf(sly, { stuck: true })
    await workers(3)
    const apart = processes.pids[2]!
    await vi.waitFor(() => expect(groupNice(apart)).toBe(LOW_PRIORITY), WAIT)
    expect(getPriority(apart)).toBe(LOW_PRIORITY)
  })
})

describe.skipIf(process.platform !== 'linux')('memory', { timeout: 60_000 }, () => {
  it('comes back after scripts that take all that they can get', async () => {
    const greedy = HOSTILE.filter(({ ends }) => ends === 'memory' || ends === 'killed')
    await workers(2)
    const round = async () => {
      for (const { code } of greedy) {
        const subject = await processes.load(program(code, MEMORY))
        expect(await lossOf(subject)).toBeInstanceOf(Error)
        processes.forget(subject)
      }
    }
    await round()
    await settled()
    const heap = heapUsed()
    const before = await memoryOf(processes.pids)
    await round()
    await settled()
    expect(await memoryOf(processes.pids)).toBeLessThan(before + 100 * MEGABYTE)
    expect(heapUsed()).toBeLessThan(heap + 10 * MEGABYTE)
  })
})

const MEGABYTE = 1024 ** 2

/** Waits until there are a worker and a spare again, and both have had the time to let go. */
async function settled(): Promise<void> {
  await workers(2)
  await settledDown()
  await said(good, 1)
}

function heapUsed(): number {
  setFlagsFromString('--expose-gc')
  ;(runInNewContext('gc') as () => void)()
  return process.memoryUsage().heapUsed
}

/** What processes have in memory, as Linux counts it. */
async function memoryOf(pids: readonly number[]): Promise<number> {
  const sizes = pids.map(async (pid) => {
    const status = await readFile(`/proc/${pid}/status`, 'utf8')
    return Number(/VmRSS:\s+(\d+)/.exec(status)![1]) * 1_024
  })
  return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0)
}
