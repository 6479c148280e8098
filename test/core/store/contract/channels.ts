import { describe, expect, onTestFinished, test, vi } from 'vitest'
import type { Json } from '#core/kit/json.ts'
import type { Channel } from '#core/store/store.ts'
import type { Open } from './store.ts'

/** Listens until the test is over; resolves once messages are heard. */
export async function listen(channel: Channel): Promise<{ heard: Json[]; stop: () => void }> {
  const heard: Json[] = []
  return new Promise((resolve) => {
    const stop = channel.subscribe(
      (message) => heard.push(message),
      () => resolve({ heard, stop }),
    )
    onTestFinished(stop)
  })
}

/** What every backend promises of messages. */
export function testChannels(open: Open): void {
  describe('channels', () => {
    test('carry every sort of JSON to all who listen, in the order of publishing', async () => {
      const { store } = await open()
      const [one, two] = await Promise.all([listen(store.channel('a')), listen(store.channel('a'))])
      const messages = [null, 0, 'é\0\n', [], { deep: [{}] }]
      for (const message of messages) await store.channel('a').publish(message)
      await vi.waitFor(() => expect(one.heard).toHaveLength(messages.length))
      expect(one.heard).toEqual(messages)
      expect(two.heard).toEqual(messages)
    })

    test('reach another store of the same URL within a second', async ({ skip }) => {
      const { store, another = skip() } = await open()
      const { heard } = await listen((await another()).channel('a'))
      await store.channel('a').publish('revoked')
      await vi.waitFor(() => expect(heard).toEqual(['revoked']), { timeout: 1_000, interval: 5 })
    })

    test('are kept apart by name', async () => {
      const { store } = await open()
      const a = await listen(store.channel('a'))
      const ab = await listen(store.channel('a:b'))
      await store.channel('a').publish(1)
      await store.channel('b').publish(2)
      await store.channel('a:b').publish(3)
      await vi.waitFor(() => expect(ab.heard).toEqual([3]))
      expect(a.heard).toEqual([1])
    })

    test('are silent once the listener has stopped, and can be listened to again', async () => {
      const channel = (await open()).store.channel('a')
      const first = await listen(channel)
      first.stop()
      await channel.publish(1)
      const second = await listen(channel)
      first.stop()
      await channel.publish(2)
      await vi.waitFor(() => expect(second.heard).toEqual([2]))
      expect(first.heard).toEqual([])
    })

    test('give each listener a copy of what was published', async () => {
      const channel = (await open()).store.channel('a')
      const first = await listen(channel)
      const second = await listen(channel)
      const message = { list: [1] }
      const published = channel.publish(message)
      message.list.push(2)
      await published
      await vi.waitFor(() => expect(first.heard).toHaveLength(1))
      Object.assign(first.heard[0] as object, { list: [] })
      expect(second.heard).toEqual([{ list: [1] }])
    })

    test('refuse names and messages that they cannot carry', async () => {
      const { store } = await open()
      expect(() => store.channel('')).toThrow(/a channel's name of 1 to 256 characters/)
      const large = store.channel('a').publish('x'.repeat(65 * 1024))
      await expect(large).rejects.toThrow(/too large for channel "a", at most 65536/)
    })
  })
}
