import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest'
import { ScriptProcesses } from '#core/sandbox/processes.ts'
import { TRUST_AFTER } from '#core/sandbox/subject.ts'
import type { WorkerEnd } from '#core/sandbox/worker-process.ts'
import type { Logger } from '#core/sdk.ts'
import { call, program } from './programs.ts'

const silent = () => undefined
const log: Logger = { debug: silent, info: silent, warn: silent, error: silent }

/** Takes a few milliseconds, so that a kill finds it at work. */
const SLOW = `
  const end = Date.now() + 30
  while (Date.now() < end) {}
  vars.n = req.body.n
`
/** What a worker could try. */
const ATTEMPTS = [
  'require("node:fs").readFileSync(process.execPath)',
  `require("node:fs").readFileSync(${JSON.stringify(resolve('package.json'))})`,
  `require("node:fs").readFileSync(${JSON.stringify(resolve('core/sandbox/worker.ts'))})`,
  'require("node:fs").writeFileSync("/tmp/probe", "")',
  'require("node:child_process").execFileSync("true")',
  'new (require("node:worker_threads").Worker)("", { eval: true })',
]
const PROBE = ATTEMPTS.map(
  (one) => `try { ${one}; console.log('${one}') } catch (e) { console.log('${one}: ' + e.code) }`,
).join('\n')

let processes: ScriptProcesses
const ended: WorkerEnd[] = []
let slow: number
let quick: number

beforeAll(async () => {
  processes = new ScriptProcesses(log, { onEnd: (reason) => ended.push(reason) })
  quick = await processes.load(program('vars.n = req.body.n'))
  // Far more time than it needs: other tests run beside this one.
  slow = await processes.load(program(SLOW, { timeoutMs: 2_000 }))
  // Until then a script may run in the spare; tests come in any order.
  await Promise.all(Array.from({ length: TRUST_AFTER }, () => processes.run(quick, call())))
})
afterAll(() => processes.close())

/** Waits until there is a worker and a spare. */
async function standBy(): Promise<number> {
  // Until both have everything: else a script runs where it is loaded.
  await vi.waitFor(() => expect(processes.isSettled).toBe(true), { timeout: 20_000 })
  await processes.run(quick, call())
  return processes.pids[0]!
}

const said = async (subject: number, n: number) => {
  const { vars } = JSON.parse(await processes.run(subject, call({ n }))) as { vars: { n: number } }
  return vars.n
}

describe('the processes of scripts', () => {
  it('answer many calls at once, each with its own result', async () => {
    await standBy()
    const numbers = Array.from({ length: 500 }, (_, n) => n)
    expect(await Promise.all(numbers.map((n) => said(quick, n)))).toEqual(numbers)
  })

  it('lose nothing when one is killed: its calls go to the spare', async () => {
    const pid = await standBy()
    const calls = Array.from({ length: 8 }, (_, n) => said(slow, n))
    process.kill(pid, 'SIGKILL')
    expect(await Promise.all(calls)).toEqual([0, 1, 2, 3, 4, 5, 6, 7])
    expect(processes.pids[0]).not.toBe(pid)
    expect(ended.at(-1)).toBe('ended')
  })

  it('kill a worker that says nothing any more', async () => {
    const pid = await standBy()
    process.kill(pid, 'SIGSTOP')
    expect(await said(quick, 7)).toBe(7)
    expect(processes.pids).not.toContain(pid)
    expect(ended.at(-1)).toBe('silent')
  })

  it('give a call more time that others have kept from a processor', async () => {
    const code = 'let sum = 0; for (let i = 0; i < 2e7; i++) sum += i % 7; vars.n = req.body.n'
    const busy = await processes.load(program(code, { timeoutMs: 1_000 }))
    await standBy()
    const { pids } = processes
    const calling = said(busy, 3)
    calling.catch(() => undefined)
    await delay(10)
    for (const pid of pids) process.kill(pid, 'SIGSTOP')
    // Longer than the time that it has.
    await delay(1_200)
    for (const pid of pids) process.kill(pid, 'SIGCONT')
    expect(await calling).toBe(3)
    processes.forget(busy)
  }, 60_000)

  it('load a script though others keep them from a processor meanwhile', async () => {
    await standBy()
    const { pids } = processes
    const all = (signal: 'SIGSTOP' | 'SIGCONT') => pids.forEach((pid) => process.kill(pid, signal))
    for (const afterMs of [2, 4, 6]) {
      const loading = processes.load(program('vars.n = req.body.n + 1'))
      loading.catch(() => undefined)
      await delay(afterMs)
      all('SIGSTOP')
      // Longer than the second that each part of it has.
      await delay(1_100)
      all('SIGCONT')
      const late = await loading
      expect(await said(late, 1)).toBe(2)
      processes.forget(late)
    }
  }, 60_000)

  it('give up a call that takes one worker after another with it', async () => {
    const own = new ScriptProcesses(log)
    onTestFinished(() => own.close())
    // Longer than any of them lives.
    const long = await own.load(program('for (;;);', { timeoutMs: 15_000 }))
    let outcome: unknown
    own.run(long, call()).catch((cause: unknown) => {
      outcome = cause
    })
    const killed = new Set<number>()
    const kill = () => {
      for (const pid of own.pids.filter((one) => !killed.has(one))) {
        killed.add(pid)
        process.kill(pid, 'SIGKILL')
      }
      return outcome !== undefined
    }
    await vi.waitUntil(kill, { interval: 1, timeout: 10_000 })
    // The latter where they die faster than they start.
    const said = /^(its process ended|there is no process for scripts)$/
    expect(outcome).toMatchObject({ kind: 'broken', message: expect.stringMatching(said) })
    expect(killed.size).toBeGreaterThan(2)
  })

  it('say what does not compile', async () => {
    const bad = program('vars.n = 1')
    const broken = { ...bad, units: [{ name: 'unit0', text: '(function(' }] }
    await expect(processes.load(broken)).rejects.toThrow('Unexpected end of input')
  })

  it('have nothing of the environment', async () => {
    const names = await processes.load(program('vars.x = typeof process + typeof require'))
    expect(await processes.run(names, call())).toContain('"x":"undefinedundefined"')
  })

  it.skipIf(process.platform !== 'linux')('may do nothing but run isolates', async () => {
    const pid = await standBy()
    const [node, ...args] = (await readFile(`/proc/${pid}/cmdline`, 'utf8')).split('\0')
    const options = args.filter((one) => one.startsWith('--'))
    const { stdout } = await promisify(execFile)(node!, [...options, '-e', PROBE])
    const said = stdout.split('\n')
    expect(said).toContain('require("node:fs").readFileSync(process.execPath): ERR_ACCESS_DENIED')
    for (const line of said.slice(0, -1)) expect(line).toContain(': ERR_ACCESS_DENIED')
    expect(await readFile(`/proc/${pid}/environ`, 'utf8')).toBe('')
  })

  it('end when they are closed, with what is under way', async () => {
    const own = new ScriptProcesses(log)
    const subject = await own.load(program(SLOW))
    const outcome = own.run(subject, call()).catch((cause: unknown) => cause)
    const pids = [...own.pids]
    await own.close()
    expect(await outcome).toMatchObject({ message: 'the sandbox was closed' })
    for (const pid of pids) expect(() => process.kill(pid, 0)).toThrow('ESRCH')
  })
})
