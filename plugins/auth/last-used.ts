import type { Host } from '#core/sdk.ts'

/** How exactly it is known when a key was used last: more would cost a write per request. */
const HOUR_MS = 3_600_000
/** How long a last use is remembered. */
const KEPT_MS = 400 * 86_400_000

/** When keys were used last, to the hour, told by all nodes. Losing it costs nothing. */
export interface LastUsed {
  /** Notes a use; returns when the next one is worth noting. Never throws, never waits. */
  note(keyId: string, now: number): number
  read(keyIds: readonly string[]): Promise<ReadonlyMap<string, number>>
}

/** Keeps it in the key-value part of the store. */
export function createLastUsed(host: Host): LastUsed {
  const values = host.store.keyValue('last-used')
  return {
    note(keyId, now) {
      values
        .set(keyId, now, KEPT_MS)
        .catch((err: unknown) => host.log.debug('last use of a key not noted', { key: keyId, err }))
      return now + HOUR_MS
    },
    async read(keyIds) {
      const times = await values.getMany(keyIds)
      const found = new Map<string, number>()
      keyIds.forEach((id, index) => {
        const time = times[index]
        if (typeof time === 'number') found.set(id, time)
      })
      return found
    },
  }
}
