import { join } from 'node:path'
import { Keyv } from 'keyv'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { Adapter } from '#core/store/key-value.ts'
import { MemoryAdapter } from '#core/store/memory/keyv-adapter.ts'
import { MEMORY_BOUNDS } from '#core/store/memory/memory.ts'
import { prepareValues, SqliteAdapter } from '#core/store/sqlite/keyv-adapter.ts'
import { openDatabase } from '#core/store/sqlite/open.ts'
import { parseLocation } from '#core/store/sqlite/location.ts'
import { Writer } from '#core/store/sqlite/writer.ts'
import { Clock } from './contract/store.ts'
import { temporaryFolder } from './temporary.ts'

const ADAPTERS: Record<string, (clock: Clock) => Promise<Adapter>> = {
  async memory({ now }) {
    return new MemoryAdapter(now, MEMORY_BOUNDS.values)
  },
  async sqlite({ now }) {
    const url = `sqlite:${join(await temporaryFolder(), 'store.db')}`
    const db = await openDatabase(url, parseLocation(url))
    const writer = new Writer(db, url, { beforeCommit() {}, afterwards() {} })
    onTestFinished(() => db.close())
    return new SqliteAdapter(prepareValues(db), writer, url, now)
  },
}

describe.for(Object.keys(ADAPTERS))('the Keyv adapter for %s', (name) => {
  const open = async () => {
    const clock = new Clock()
    const adapter = await ADAPTERS[name]!(clock)
    const keyv = new Keyv<unknown>({ store: adapter, namespace: 'a', checkExpired: false })
    return { clock, adapter, keyv }
  }

  test('is used by Keyv as it is, not through a bridge', async () => {
    const { adapter, keyv } = await open()
    expect(keyv.store).toBe(adapter)
    expect(adapter.capabilities).toMatchObject({ expires: true, compatible: true })
    expect(adapter.namespace).toBe('a')
  })

  test('does what Keyv asks of it, one by one and in batches', async () => {
    const { keyv } = await open()
    await keyv.setMany([
      { key: 'one', value: 1 },
      { key: 'two', value: 2 },
      { key: 'three', value: 3 },
    ])
    expect(await keyv.has('one')).toBe(true)
    expect(await keyv.hasMany(['one', 'four'])).toEqual([true, false])
    expect(await keyv.getMany(['two', 'four', 'one'])).toEqual([2, undefined, 1])
    expect(await keyv.deleteMany(['one', 'four'])).toEqual([true, false])
    expect(await keyv.get('one')).toBeUndefined()
    await keyv.clear()
    expect(await keyv.hasMany(['two', 'three'])).toEqual([false, false])
  })

  test('enforces absolute expiry by its own clock', async () => {
    const { adapter, clock } = await open()
    await adapter.set('key', 'text', clock.now() + 10)
    await adapter.setMany([{ key: 'other', value: 'text', expires: clock.now() + 11 }])
    clock.advance(10)
    expect(await adapter.has('key')).toBe(false)
    expect(await adapter.getMany(['key', 'other'])).toEqual([undefined, 'text'])
    expect(await adapter.delete('key')).toBe(false)
  })
})
