import { setTimeout as delay } from 'node:timers/promises'
import { ScriptProcesses } from '#core/sandbox/processes.ts'
import type { WorkerEnd } from '#core/sandbox/worker-process.ts'
import type { Logger } from '#core/sdk.ts'
import { HOSTILE } from '../core/sandbox/hostile.ts'
import { MEMORY, outcomeOf } from '../core/sandbox/outcome.ts'
import { call, LIMITS, program } from '../core/sandbox/programs.ts'

/** A call of the script that behaves begins this often. */
const EVERY_MS = 2
const WARM_MS = 3_000
/** Hostile scripts that are loaded at once, as by a config, and how long nothing else happens before their turn. */
const BATCH = 12
const ALONE_MS = 1_000
const silent = () => undefined
const LOG: Logger = { debug: silent, info: silent, warn: silent, error: silent }
const TEXT = call({ messages: [] }, { consumer: { id: 'a' } })

/** The table of hostile scripts, one after another, beside calls of a script that behaves. */
export async function measureHostile(): Promise<void> {
  const ended: WorkerEnd[] = []
  const processes = new ScriptProcesses(LOG, { onEnd: (reason) => ended.push(reason) })
  const good = await processes.load(program('vars.n = req.body.messages.length'))
  const times = { warm: [], alone: [], loading: [], beside: [] } as Record<string, number[]>
  const overruns: { name: string; first: number; second: number }[] = []
  let phase = 'warm'
  let failed = 0
  const turn = setInterval(() => {
    const startedAt = performance.now()
    const list = times[phase]!
    processes.run(good, TEXT).then(
      () => list.push(performance.now() - startedAt),
      () => failed++,
    )
  }, EVERY_MS)
  const overrun = async (subject: number) => {
    const startedAt = performance.now()
    await outcomeOf(() => processes.run(subject, TEXT))
    return performance.now() - startedAt - LIMITS.timeoutMs
  }
  await delay(WARM_MS)
  for (let at = 0; at < HOSTILE.length; at += BATCH) {
    while (!processes.isSettled) await delay(EVERY_MS)
    // Between the batches and not before them all, so that what else the machine does counts on both sides.
    phase = 'alone'
    await delay(ALONE_MS)
    phase = 'loading'
    const batch: { name: string; subject: number }[] = []
    for (const { name, code } of HOSTILE.slice(at, at + BATCH)) {
      batch.push({ name, subject: await processes.load(program(code, MEMORY)) })
    }
    phase = 'beside'
    for (const { name, subject } of batch) {
      overruns.push({ name, first: await overrun(subject), second: await overrun(subject) })
    }
    for (const { subject } of batch) processes.forget(subject)
  }
  console.log(`\n## ${HOSTILE.length} hostile scripts, two calls of each\n`)
  console.log(`calls of another script, alone: ${spread(times['alone']!)}`)
  console.log(`calls of another script, while they are loaded: ${spread(times['loading']!)}`)
  console.log(`calls of another script, beside them: ${spread(times['beside']!)}`)
  const ratio = at(times['beside']!, 0.99) / at(times['alone']!, 0.99)
  console.log(`p99 beside them, by that alone: ${ratio.toFixed(1)}`)
  for (const which of ['first', 'second'] as const) {
    const longest = overruns.toSorted((a, b) => b[which] - a[which]).slice(0, 5)
    const list = longest.map((one) => `${one.name} ${one[which].toFixed(0)} ms`).join(', ')
    console.log(`longest over their limit, ${which} calls: ${list}`)
  }
  console.log(`processes ended: ${ended.length}; calls of the other script that failed: ${failed}`)
  clearInterval(turn)
  await processes.close()
}

function at(times: readonly number[], share: number): number {
  return times.toSorted((a, b) => a - b)[Math.floor((times.length - 1) * share)]!
}

function spread(times: readonly number[]): string {
  const [median, p90, p99, longest] = [0.5, 0.9, 0.99, 1].map((share) =>
    at(times, share).toFixed(1),
  )
  return `median ${median} ms, p90 ${p90}, p99 ${p99}, longest ${longest} (${times.length})`
}
