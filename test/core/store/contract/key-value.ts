import { describe, expect, test } from 'vitest'
import type { Open } from './store.ts'

/** What every backend promises of key-value. */
export function testKeyValue(open: Open): void {
  describe('key-value', () => {
    test('gives back what was set, for every sort of JSON', async () => {
      const values = (await open()).store.keyValue('a')
      const all = [
        null,
        false,
        0,
        -1.5,
        '',
        ':text',
        'é\0\n',
        [],
        [null],
        {},
        { __proto__: 1, a: [{}] },
      ]
      for (const value of all) {
        await values.set('key', value, 1_000)
        expect(await values.get('key')).toEqual(value)
      }
    })

    test('knows nothing of what was never set', async () => {
      const values = (await open()).store.keyValue('a')
      expect(await values.get('key')).toBeUndefined()
      expect(await values.delete('key')).toBe(false)
    })

    test('keeps namespaces apart', async () => {
      const { store } = await open()
      await store.keyValue('a').set('b:c', 1, 1_000)
      await store.keyValue('a:b').set('c', 2, 1_000)
      expect(await store.keyValue('a').get('b:c')).toBe(1)
      expect(await store.keyValue('a:b').get('c')).toBe(2)
      expect(await store.keyValue('b').get('c')).toBeUndefined()
    })

    test('reads many in the order of the keys', async () => {
      const values = (await open()).store.keyValue('a')
      await values.set('one', 1, 1_000)
      await values.set('three', 3, 1_000)
      expect(await values.getMany(['three', 'two', 'one'])).toEqual([3, undefined, 1])
      expect(await values.getMany([])).toEqual([])
    })

    test('tells whether there was something to delete', async () => {
      const values = (await open()).store.keyValue('a')
      await values.set('key', 1, 1_000)
      expect(await values.delete('key')).toBe(true)
      expect(await values.delete('key')).toBe(false)
      expect(await values.get('key')).toBeUndefined()
    })

    test('forgets a value when its time is over, not before', async ({ skip }) => {
      const { store, clock = skip() } = await open()
      const values = store.keyValue('a')
      await values.set('key', 1, 1_000)
      clock.advance(999)
      expect(await values.get('key')).toBe(1)
      clock.advance(1)
      expect(await values.get('key')).toBeUndefined()
      expect(await values.getMany(['key'])).toEqual([undefined])
      expect(await values.delete('key')).toBe(false)
    })

    test('counts the time from the last set', async ({ skip }) => {
      const { store, clock = skip() } = await open()
      const values = store.keyValue('a')
      await values.set('key', 1, 1_000)
      clock.advance(900)
      await values.set('key', 2, 1_000)
      clock.advance(900)
      expect(await values.get('key')).toBe(2)
      await values.set('key', 3, Infinity)
      clock.advance(1e10)
      expect(await values.get('key')).toBe(3)
    })

    test('is not changed by what happens to the object afterwards', async () => {
      const values = (await open()).store.keyValue('a')
      const value = { list: [1] }
      await values.set('key', value, 1_000)
      value.list.push(2)
      const read = await values.get('key')
      expect(read).toEqual({ list: [1] })
      Object.assign(read as object, { list: [] })
      expect(await values.get('key')).toEqual({ list: [1] })
    })

    test('refuses keys, values and times that it cannot keep', async () => {
      const values = (await open()).store.keyValue('a')
      await expect(values.set('', 1, 1_000)).rejects.toThrow(/a key of 1 to 1024 characters/)
      await expect(values.get('x'.repeat(1_025))).rejects.toThrow(/got one of 1025/)
      await expect(values.set('key', 1, 0)).rejects.toThrow('a ttlMs of more than 0, got 0')
      await expect(values.set('key', 1, Number.NaN)).rejects.toThrow('got NaN')
      await expect(values.set('key', 'x'.repeat(17 * 1024 ** 2), 1)).rejects.toThrow(/too large/)
    })
  })
}
