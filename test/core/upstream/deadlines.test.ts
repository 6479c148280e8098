import { Deadlines, type Timed } from '#core/upstream/deadlines.ts'
import { describe, expect, test } from 'vitest'

/** Something that is due after a while, and when it was told so. */
function timed(deadlines: Deadlines, ms: number): Timed & { expired: Promise<number> } {
  const { promise, resolve } = Promise.withResolvers<number>()
  const entry = {
    dueAt: deadlines.after(ms),
    slot: -1,
    expired: promise,
    expire() {
      deadlines.forget(entry)
      resolve(performance.now())
    },
  }
  deadlines.watch(entry)
  return entry
}

/** Lets timers run, one loop turn after another. */
function turns(count: number): Promise<void> {
  return new Promise((resolve) => {
    const next = () => (count-- > 0 ? setImmediate(next) : resolve())
    next()
  })
}

describe('a deadline', () => {
  test('is never early and not much late', async () => {
    const deadlines = new Deadlines()
    const began = performance.now()

    for (const ms of [30, 90, 150]) {
      const late = (await timed(deadlines, ms).expired) - performance.now()
      expect(late).toBeLessThan(200)
    }
    expect(performance.now() - began).toBeGreaterThanOrEqual(30 + 90 + 150)
  })

  test('that is moved on does not strike', async () => {
    const deadlines = new Deadlines()
    const moved = timed(deadlines, 30) as Timed & { dueAt: number; expired: Promise<number> }
    moved.dueAt = deadlines.after(10_000)

    await timed(deadlines, 80).expired

    expect(moved.slot).toBeGreaterThanOrEqual(0)
    deadlines.forget(moved)
  })

  test('that is forgotten does not strike, whatever stands around it', async () => {
    const deadlines = new Deadlines()
    const entries = Array.from({ length: 20 }, (_, index) => timed(deadlines, 30 + index))
    const struck = new Set<number>()
    entries.forEach(({ expired }, index) => void expired.then(() => struck.add(index)))
    for (const index of [0, 7, 19, 8]) deadlines.forget(entries[index]!)
    deadlines.forget(entries[7]!)

    await Promise.all(
      entries.filter((_, index) => ![0, 7, 8, 19].includes(index)).map((entry) => entry.expired),
    )

    expect(struck.size).toBe(16)
    expect(entries.every(({ slot }) => slot === -1)).toBe(true)
  })

  test('does not strike because the event loop was busy', async () => {
    const deadlines = new Deadlines()
    const entry = timed(deadlines, 300)
    let hasStruck = false
    void entry.expired.then(() => (hasStruck = true))
    await timed(deadlines, 30).expired

    const until = performance.now() + 500
    while (performance.now() < until) Math.sqrt(until)
    await turns(3)

    expect(hasStruck).toBe(false)
    await entry.expired
  })
})
