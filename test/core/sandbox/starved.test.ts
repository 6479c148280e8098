import { setTimeout as delay } from 'node:timers/promises'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { ScriptProcesses } from '#core/sandbox/processes.ts'
import type { Logger } from '#core/sdk.ts'
import { call, program } from './programs.ts'

const silent = () => undefined
const log: Logger = { debug: silent, info: silent, warn: silent, error: silent }
const WAIT = { timeout: 20_000, interval: 5 }
const WORK = `let x = 0
for (let i = 0; i < req.body.size; i++) x = (x * 31 + i) % 1000003
vars.x = x`
/** One operation that nothing interrupts, but that ends. */
const HEAVY = "vars.x = 'é'.repeat(req.body.size).normalize('NFD').length"
const STUCK = 'let n = 2n; for (;;) n = n ** 2n'

let processes: ScriptProcesses
afterEach(() => processes.close())

const run = (subject: number, size = 0) => processes.run(subject, call({ size }))
const outcome = (subject: number, size = 0) => run(subject, size).catch((cause: unknown) => cause)

/** How large a call has to be to take so many milliseconds of work. */
async function sizeFor(ms: number, code: string, probe: number): Promise<number> {
  const subject = await processes.load(program(code, { timeoutMs: 5_000 }))
  const times: number[] = []
  for (let n = 0; n < 5; n++) {
    const startedAt = performance.now()
    await run(subject, probe)
    times.push(performance.now() - startedAt)
  }
  processes.forget(subject)
  return Math.round((probe * ms) / Math.min(...times))
}

describe.skipIf(process.platform === 'win32')('a call that is kept from a processor', () => {
  it('ends well once it has had sixteen times its time', { timeout: 60_000 }, async () => {
    // One process, so that it is not the working one that has the last try.
    processes = new ScriptProcesses(log, { hasSpare: false })
    const size = await sizeFor(300, WORK, 20_000_000)
    const subject = await processes.load(program(WORK, { timeoutMs: 500 }))
    const [pid] = processes.pids
    const result = run(subject, size)
    // For longer than the first try has, and then the second; neither gets near a quarter of its first time.
    for (const { runs, waits } of [
      { runs: 10, waits: 600 },
      { runs: 60, waits: 2_100 },
    ]) {
      await delay(runs)
      process.kill(pid!, 'SIGSTOP')
      await delay(waits)
      process.kill(pid!, 'SIGCONT')
    }
    expect(await result).toMatch(/^\{"vars":\{"x":\d+\}\}$/)
  })

  // Who is late first is only about right, on a machine with others on it.
  const hard = { timeout: 60_000, retry: 2 }
  it('is not blamed for what another does in its process', hard, async () => {
    processes = new ScriptProcesses(log)
    const size = await sizeFor(120, HEAVY, 1_000_000)
    await vi.waitFor(() => expect(processes.isSettled).toBe(true), WAIT)
    const [active, spare] = processes.pids
    const limits = { memoryBytes: 256 * 1024 ** 2 }
    const stuck = await processes.load(program(STUCK, { ...limits, timeoutMs: 50 }))
    const heavy = await processes.load(program(HEAVY, { ...limits, timeoutMs: 1_000 }))
    const [fault, result] = [outcome(stuck), run(heavy, size)]
    // Both are late once it goes on, and neither can be stopped at once: the one since long.
    await delay(20)
    process.kill(spare!, 'SIGSTOP')
    await delay(1_200)
    process.kill(spare!, 'SIGCONT')
    expect(await fault).toMatchObject({ kind: 'timeout', tookProcess: true })
    expect(await result).toMatch(/^\{"vars":\{"x":\d+\}\}$/)
    await vi.waitFor(() => expect(processes.pids).not.toContain(spare), WAIT)
    expect(processes.pids[0]).toBe(active)
  })
})
