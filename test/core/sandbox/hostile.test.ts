import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ScriptProcesses } from '#core/sandbox/processes.ts'
import type { Logger } from '#core/sdk.ts'
import { HOSTILE } from './hostile.ts'
import { livedTime } from '../../support/lived.ts'
import { endsOf, MEMORY, outcomeOf } from './outcome.ts'
import { call, program } from './programs.ts'

const silent = () => undefined
const log: Logger = { debug: silent, info: silent, warn: silent, error: silent }
/** By when a call is over whose limit are 50 ms, on a machine that runs other tests: a second before a worker counts as silent. */
const OVER_MS = 1_000

const lived = livedTime()
const TEXT = call({ messages: [] }, { consumer: { id: 'a' } })

describe('in a process of its own, a hostile script', () => {
  let processes: ScriptProcesses
  let good: number

  beforeAll(async () => {
    processes = new ScriptProcesses(log)
    good = await processes.load(program('vars.kept = typeof kept + typeof {}.polluted'))
  })
  afterAll(() => processes.close())

  it.each(HOSTILE)('$name: $ends', async (hostile) => {
    const subject = await processes.load(program(hostile.code, MEMORY))
    const startedAt = lived()
    const [ends, said] = await outcomeOf(() => processes.run(subject, TEXT))
    expect(lived() - startedAt).toBeLessThan(OVER_MS)
    expect(endsOf(hostile)).toContain(ends)
    if (ends === hostile.ends) expect(said).toContain(hostile.says ?? '')
    // The next call of another script, and of the same one, as if nothing had been.
    expect(await processes.run(good, TEXT)).toContain('"kept":"undefinedundefined"')
    const [again] = await outcomeOf(() => processes.run(subject, TEXT))
    expect(endsOf(hostile)).toContain(again)
    processes.forget(subject)
  })
})
