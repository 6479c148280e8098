import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Newest } from '#core/kit/newest.ts'

test('the newest entries are what a Map holds whose first entry is dropped when there are too many', () => {
  const steps = fc.array(
    fc.tuple(fc.constantFrom('set', 'set', 'set', 'delete', 'clear'), fc.nat({ max: 9 }), fc.nat()),
    { maxLength: 200 },
  )
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 5 }), steps, (most, changes) => {
      const newest = new Newest<number, number>(most)
      const model = new Map<number, number>()
      for (const [what, key, value] of changes) {
        if (what === 'clear') {
          newest.clear()
          model.clear()
        } else if (what === 'delete') expect(newest.delete(key)).toBe(model.delete(key))
        else {
          newest.set(key, value)
          model.set(key, value)
          if (model.size > most) model.delete(model.keys().next().value!)
        }
        expect([...newest]).toEqual([...model])
        expect([newest.size, newest.get(key)]).toEqual([model.size, model.get(key)])
      }
    }),
  )
})
