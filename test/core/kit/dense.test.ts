import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { DenseMap } from '#core/kit/dense-map.ts'
import { DenseSet, type Slotted } from '#core/kit/dense-set.ts'

describe('a dense set', () => {
  test('holds what a Set would, through any additions and deletions', () => {
    const steps = fc.array(fc.tuple(fc.boolean(), fc.nat({ max: 9 })))
    fc.assert(
      fc.property(steps, (changes) => {
        const members = Array.from({ length: 10 }, () => ({ slot: -1 }))
        const set = new DenseSet<Slotted>()
        const model = new Set<Slotted>()
        for (const [isAdded, index] of changes) {
          const member = members[index]!
          if (isAdded) {
            set.add(member)
            model.add(member)
          } else {
            set.delete(member)
            model.delete(member)
          }
          expect(new Set(set)).toEqual(model)
          expect(set.size).toBe(model.size)
          expect(members.filter(({ slot }) => slot >= 0).length).toBe(model.size)
        }
      }),
    )
  })

  test('can be emptied by who goes through it', () => {
    const set = new DenseSet<Slotted>()
    const members = Array.from({ length: 5 }, () => ({ slot: -1 }))
    for (const member of members) set.add(member)
    const seen = []
    for (const member of set) {
      seen.push(member)
      set.delete(member)
    }
    expect(seen).toEqual(members)
    expect(set.size).toBe(0)
  })

  test('lets young garbage die young', () => {
    const set = new DenseSet<Slotted>()
    const kept = keptOfChurn((payload) => {
      const member = { slot: -1, payload }
      set.add(member)
      return () => set.delete(member)
    })
    expect(kept).toBeLessThan(TURNS / 8)
  })
})

describe('a dense map', () => {
  test('holds what a Map would, through any changes', () => {
    const steps = fc.array(fc.tuple(fc.boolean(), fc.nat({ max: 9 }), fc.nat()))
    fc.assert(
      fc.property(steps, (changes) => {
        const map = new DenseMap<number, number>()
        const model = new Map<number, number>()
        for (const [isSet, key, value] of changes) {
          if (isSet) {
            map.set(key, value)
            model.set(key, value)
          } else expect(map.delete(key)).toBe(model.delete(key))
          const entries = Array.from({ length: map.places }, (_, place) => map.at(place))
          expect(new Map(entries.filter((entry) => entry !== undefined))).toEqual(model)
          const rising = (a: number, b: number) => a - b
          expect(map.values().toSorted(rising)).toEqual([...model.values()].toSorted(rising))
          expect([map.size, map.has(key), map.get(key)]).toEqual([
            model.size,
            model.has(key),
            model.get(key),
          ])
        }
      }),
    )
  })

  test('holds undefined like any other value, also in a place that was taken before', () => {
    const map = new DenseMap<number, string | undefined>()
    map.set(1, 'a')
    map.delete(1)
    map.set(2, undefined)
    expect([map.size, map.has(2), map.get(2), map.at(0)]).toEqual([
      1,
      true,
      undefined,
      [2, undefined],
    ])
  })

  test('lets young garbage die young', () => {
    const map = new DenseMap<number, unknown>()
    const kept = keptOfChurn((payload, turn) => {
      map.set(turn, payload)
      return () => map.delete(turn)
    })
    expect(kept).toBeLessThan(TURNS / 8)
  })
})

/** How many payloads come and go, and how many are there at a time. */
const TURNS = 20_000
const AT_ONCE = 64
const NUMBERS = 128

/** Adds and takes away again; returns how many payloads' memory is still taken after collections of the young only. */
function keptOfChurn(add: (payload: number[], turn: number) => () => void): number {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as (options?: { type: 'minor' }) => void
  const removals: (() => void)[] = []
  collect()
  const before = process.memoryUsage().heapUsed
  for (let turn = 0; turn < TURNS; turn++) {
    removals.push(
      add(
        Array.from({ length: NUMBERS }, () => turn),
        turn,
      ),
    )
    if (removals.length > AT_ONCE) removals.shift()!()
    if (turn % 500 === 0) collect({ type: 'minor' })
  }
  for (const remove of removals.splice(0)) remove()
  collect({ type: 'minor' })
  return (process.memoryUsage().heapUsed - before) / (NUMBERS * 8)
}
