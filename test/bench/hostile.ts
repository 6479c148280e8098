import { setTimeout as delay } from 'node:timers/promises'
import { ScriptProcesses } from '#core/sandbox/processes.ts'
import type { WorkerEnd } from '#core/sandbox/worker-process.ts'
import type { Logger } from '#core/sdk.ts'
import { Pool } from 'undici'
import { HOSTILE, type Hostile } from '../core/sandbox/hostile.ts'
import { MEMORY, outcomeOf } from '../core/sandbox/outcome.ts'
import { call, LIMITS, program } from '../core/sandbox/programs.ts'
import { startSluice } from './proxies.ts'
import { REQUEST_BODY } from './shapes.ts'

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

/**
 * The same through the gateway: chat requests of a route with a script that behaves, beside requests of routes with
 * hostile ones, two of each.
 */
export async function measureHostileRequests(upstreamPort: number): Promise<void> {
  const times = { warm: [], alone: [], beside: [] } as Record<string, number[]>
  const statuses = new Map<string, number>()
  for (let from = 0; from < HOSTILE.length; from += BATCH) {
    const batch = HOSTILE.slice(from, from + BATCH)
    const gateway = await startSluice('sluice', gatewayOf(batch, upstreamPort), 'any')
    const pool = new Pool(`http://127.0.0.1:${gateway.port}`, { connections: 64 })
    let phase = 'warm'
    const under = new Set<Promise<void>>()
    const ask = async (path: string) => {
      const headers = { 'content-type': 'application/json' }
      const answer = await pool.request({ method: 'POST', path, headers, body: REQUEST_BODY })
      await answer.body.dump()
      return answer.statusCode
    }
    const askWell = async () => {
      const list = times[phase]!
      const startedAt = performance.now()
      const status = `${phase} ${await ask('/v1/chat/completions')}`
      list.push(performance.now() - startedAt)
      statuses.set(status, (statuses.get(status) ?? 0) + 1)
    }
    const turn = setInterval(() => {
      const one = askWell().finally(() => under.delete(one))
      under.add(one)
    }, EVERY_MS)
    await delay(WARM_MS)
    phase = 'alone'
    await delay(ALONE_MS)
    phase = 'beside'
    for (const at of batch.keys()) {
      await ask(`/hostile/${at}`)
      await ask(`/hostile/${at}`)
    }
    clearInterval(turn)
    await Promise.all(under)
    await pool.close()
    await gateway.stop()
  }
  console.log(
    `\n## Requests of another route, beside requests with ${HOSTILE.length} hostile scripts\n`,
  )
  console.log(`alone: ${spread(times['alone']!)}`)
  console.log(`beside them: ${spread(times['beside']!)}`)
  const ratio = at(times['beside']!, 0.99) / at(times['alone']!, 0.99)
  console.log(`p99 beside them, by that alone: ${ratio.toFixed(1)}`)
  console.log(
    `answers: ${[...statuses].map(([status, count]) => `${status}: ${count}`).join(', ')}`,
  )
}

/** One route that behaves, and one for each of the hostile scripts. YAML takes JSON for what it is. */
function gatewayOf(batch: readonly Hostile[], upstreamPort: number): string {
  const script = (code: string) => [
    { script: { code: code.replaceAll('${', () => '$${'), memory: MEMORY.memoryBytes } },
  ]
  const good = 'vars.n = req.body.messages.length'
  const routes = [
    { id: 'good', match: { api: 'openai-chat' }, upstream: 'model', pipeline: script(good) },
    ...batch.map(({ code }, at) => ({
      id: `hostile-${at}`,
      match: { path: `/hostile/${at}` },
      upstream: 'model',
      pipeline: script(code),
    })),
  ]
  const url = `http://127.0.0.1:${upstreamPort}/v1`
  const upstreams = { model: { dialect: 'openai-chat', url, keys: ['${BENCH_KEY:-key}'] } }
  return `upstreams: ${JSON.stringify(upstreams)}\nroutes: ${JSON.stringify(routes)}\n`
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
