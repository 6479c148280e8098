import type { AdminRoute, Host, Secret } from '#core/sdk.ts'
import { identifyKey } from './api-keys.ts'
import type { Credential } from './credentials.ts'
import type { Verdict } from './identity.ts'
import { keyRoutes } from './key-admin.ts'
import { KeyDirectory } from './key-directory.ts'
import { KeyJournal } from './key-journal.ts'
import type { KeyRules } from './key-request.ts'
import { digestWith, pepperMark } from './key-text.ts'
import { createLastUsed, type LastUsed } from './last-used.ts'
import { unavailable } from './refusal.ts'

/** How often the store is asked for new rows that nobody has told of. */
const REFRESH_MS = 5_000

/** What the keys of the store need to know. */
export interface KeyStoreOptions {
  readonly pepper?: Secret
  readonly maxKeys: number
  /** Milliseconds. */
  readonly maxStale: number
  readonly rules: KeyRules
  readonly host: Host
  /** Called after anything has changed. */
  readonly onChange: () => void
}

/** The API keys of the store, kept up with what other nodes do. */
export interface KeyStore {
  readonly admin: readonly AdminRoute[]
  readonly lastUsed: LastUsed
  identify(credential: Credential, now: number): Verdict
  /** Throws AUTH_UNAVAILABLE where the store has not been heard of for too long to be sure of what it last said. */
  checkFresh(now: number): void
  /** Resolves when nothing is under way any more. */
  close(): Promise<void>
}

/** Reads all keys and starts to follow the journal. */
export async function openKeyStore(options: KeyStoreOptions): Promise<KeyStore> {
  const { pepper, maxKeys, maxStale, rules, host, onChange } = options
  const digest = digestWith(pepper)
  const mark = pepperMark(pepper)
  const channel = host.store.channel('keys')
  const directory = new KeyDirectory({
    journal: new KeyJournal(host),
    now: host.now,
    digest,
    mark,
    maxKeys,
    onChange,
    onLost() {
      onChange()
      host.log.error('the store has lost api keys', {
        hint: 'restore its backup, or make new ones',
      })
    },
    // The row is written: whoever does not hear of it finds it a little later.
    announce: () =>
      channel
        .publish('changed')
        .catch((err: unknown) => host.log.warn('other nodes not told of a key', { err })),
  })
  let isFailing = false
  let isClosed = false
  let foreign = 0
  async function refresh(): Promise<void> {
    if (isClosed) return
    try {
      await directory.refresh()
      if (isFailing) host.log.info('api keys are read again')
      isFailing = false
    } catch (err) {
      if (!isFailing) host.log.error('api keys cannot be read', { err })
      isFailing = true
    }
    if (directory.foreign > foreign) {
      const hint = 'apiKeys.pepper is another than when they were made'
      host.log.warn('api keys are not accepted', { keys: directory.foreign, hint })
    }
    foreign = directory.foreign
  }
  // A gateway that starts while the store is away serves those whom it can know, and reads the keys when it is back.
  await refresh()
  host.every(REFRESH_MS, refresh)
  channel.subscribe(
    () => void refresh(),
    () => void refresh(),
  )
  const lastUsed = createLastUsed(host)
  return {
    admin: keyRoutes({ directory, lastUsed, rules, host }),
    lastUsed,
    identify(credential, now) {
      // Before the first reading nobody can tell an unknown key from a good one.
      if (directory.checkedAt === -Infinity) throw unavailable()
      return identifyKey(credential, directory, digest, now)
    },
    checkFresh(now) {
      if (now - directory.checkedAt > maxStale) throw unavailable()
    },
    async close() {
      isClosed = true
      await directory.idle()
    },
  }
}
