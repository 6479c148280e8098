import { setTimeout as delay } from 'node:timers/promises'
import { ScriptProcesses } from '#core/sandbox/processes.ts'
import type { WorkerEnd } from '#core/sandbox/worker-process.ts'
import type { Logger } from '#core/sdk.ts'
import { HOSTILE } from '../core/sandbox/hostile.ts'
import { MEMORY, outcomeOf } from '../core/sandbox/outcome.ts'
import { call, LIMITS, program } from '../core/sandbox/programs.ts'

/** A call of the script that behaves begins this often. */
const EVERY_MS = 2
const ALONE_MS = 10_000
const silent = () => undefined
const LOG: Logger = { debug: silent, info: silent, warn: silent, error: silent }
const TEXT = call({ messages: [] }, { consumer: { id: 'a' } })

/** The table of hostile scripts, one after another, beside calls of a script that behaves. */
export async function measureHostile(): Promise<void> {
  const ended: WorkerEnd[] = []
  const processes = new ScriptProcesses(LOG, { onEnd: (reason) => ended.push(reason) })
  const good = await processes.load(program('vars.n = req.body.messages.length'))
  let times: number[] = []
  let failed = 0
  const turn = setInterval(() => {
    const startedAt = performance.now()
    processes.run(good, TEXT).then(
      () => times.push(performance.now() - startedAt),
      () => failed++,
    )
  }, EVERY_MS)
  await delay(ALONE_MS / 2)
  times = []
  await delay(ALONE_MS)
  const alone = times
  times = []
  const overruns = new Map<string, number>()
  for (const { name, code } of HOSTILE) {
    const subject = await processes.load(program(code, MEMORY))
    const startedAt = performance.now()
    await outcomeOf(() => processes.run(subject, TEXT))
    overruns.set(name, performance.now() - startedAt - LIMITS.timeoutMs)
    await outcomeOf(() => processes.run(subject, TEXT))
    processes.forget(subject)
  }
  const longest = [...overruns].sort(([, a], [, b]) => b - a).slice(0, 5)
  console.log(`\n## ${HOSTILE.length} hostile scripts, two calls of each\n`)
  console.log(`calls of another script, alone: ${spread(alone)}`)
  console.log(`calls of another script, beside them: ${spread(times)}`)
  console.log(
    `longest over their limit: ${longest.map(([name, ms]) => `${name} ${ms.toFixed(0)} ms`).join(', ')}`,
  )
  console.log(`processes ended: ${ended.length}; calls of the other script that failed: ${failed}`)
  clearInterval(turn)
  await processes.close()
}

function spread(times: readonly number[]): string {
  const sorted = times.toSorted((a, b) => a - b)
  const at = (share: number) => sorted[Math.floor((sorted.length - 1) * share)]!.toFixed(1)
  return `median ${at(0.5)} ms, p99 ${at(0.99)} ms, longest ${at(1)} ms (${times.length})`
}
