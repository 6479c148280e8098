import { timingSafeEqual } from 'node:crypto'
import { GatewayError } from '#core/sdk.ts'
import type { KeyJournal } from './key-journal.ts'
import {
  type KeyForm,
  type KeyRecord,
  type KeyRow,
  type KeyWish,
  rowJson,
  rowOf,
} from './key-record.ts'
import { type Digest, mintKey, PREFIX, randomText } from './key-text.ts'

/** How long a key that is no longer valid can still be listed. */
const KEPT_MS = 30 * 86_400_000

/** Characters of a key that its record shows, behind the prefix: 24 bits of 190. */
const SHOWN_CHARACTERS = 4

/** A key that a digest belongs to. */
export interface FoundKey {
  readonly record: KeyRecord
  /** Until when this form of the key is valid; Infinity for ever. */
  readonly until: number
}

/** What a directory stands on. */
export interface DirectoryOptions {
  readonly journal: KeyJournal
  readonly now: () => number
  readonly digest: Digest
  /** Which pepper the digest is made with. */
  readonly mark: string
  readonly maxKeys: number
  /** Called after anything has changed. */
  readonly onChange: () => void
  /** Called where the store has lost rows that were here before. */
  readonly onLost: () => void
  /** Tells the other nodes that there is a new row. */
  readonly announce: () => Promise<void>
}

interface Entry {
  record: KeyRecord
  forms: { readonly form: KeyForm; until: number }[]
}

/**
 * All API keys, in memory: the journal in the store, replayed. Each node reads the rows that it has not seen yet, so a
 * request never waits for the store, and what was accepted is as durable as the store.
 */
export class KeyDirectory {
  /** When the store was last asked, with success. */
  checkedAt = -Infinity
  readonly #options: DirectoryOptions
  readonly #byId = new Map<string, Entry>()
  readonly #byDigest = new Map<string, { readonly entry: Entry; readonly form: KeyForm }>()
  #reading: Promise<void> = Promise.resolve()
  #waiting = 0
  #foreign = 0

  constructor(options: DirectoryOptions) {
    this.#options = options
  }

  /** Keys that were made with another pepper, and so are not accepted. */
  get foreign(): number {
    return this.#foreign
  }

  /** Reads what is new. One at a time: what was written before the call is known after it. */
  async refresh(): Promise<void> {
    // Two are enough: one under way, and one that sees all that was written meanwhile.
    if (this.#waiting >= 2) return this.#reading
    this.#waiting++
    const turn = this.#reading.catch(() => undefined).then(() => this.#read())
    this.#reading = turn.finally(() => this.#waiting--)
    this.#reading.catch(() => undefined)
    return turn
  }

  /** Resolves when no reading is under way. */
  idle(): Promise<void> {
    return this.#reading.catch(() => undefined)
  }

  /** The key with this digest, valid or not any more. Takes the same time whether there is one or not. */
  find(digest: string): FoundKey | undefined {
    const found = this.#byDigest.get(digest)
    const expected = found?.form.digest ?? NOBODY
    const isSame = timingSafeEqual(Buffer.from(digest, 'hex'), Buffer.from(expected, 'hex'))
    if (found === undefined || !isSame) return undefined
    const { record, forms } = found.entry
    const form = forms.find((one) => one.form === found.form)
    return { record, until: Math.min(form?.until ?? 0, record.expiresAt ?? Infinity) }
  }

  get(id: string): KeyRecord | undefined {
    return this.#byId.get(id)?.record
  }

  /** What the newest form of a key begins with. */
  startOf(id: string): string {
    return this.#byId.get(id)?.forms.at(-1)?.form.start ?? ''
  }

  /** All that are valid, and those that were until a month ago; the oldest first. */
  list(): readonly KeyRecord[] {
    return [...this.#byId.values()].map(({ record }) => record)
  }

  /** Makes a key; its text is told once, here. Resolves when it would survive a crash. */
  async create(wish: KeyWish): Promise<{ key: string; record: KeyRecord }> {
    const { now, maxKeys } = this.#options
    await this.refresh()
    this.#forget()
    const valid = this.list().filter((record) => isValid(record, now())).length
    if (valid >= maxKeys) {
      throw new GatewayError('BAD_REQUEST', `there are ${valid} keys already, which is maxKeys`)
    }
    const record: KeyRecord = { ...wish, id: `key_${randomText(12)}`, createdAt: now() }
    const { key, form } = this.#mint()
    await this.#write({ op: 'create', key: record, form })
    return { key, record }
  }

  /** Makes another text for a key; the one before is accepted for `overlapMs` more. */
  async renew(
    id: string,
    { overlapMs, expiresAt }: { overlapMs: number; expiresAt: number | undefined },
  ): Promise<{ key: string; record: KeyRecord }> {
    await this.refresh()
    const record = this.#existing(id)
    if (record.revokedAt !== undefined) {
      throw new GatewayError('BAD_REQUEST', `${id} was revoked; a new key can be created`)
    }
    const { key, form } = this.#mint()
    const overlapUntil = this.#options.now() + overlapMs
    await this.#write({ op: 'renew', id, form, overlapUntil, expiresAt: expiresAt ?? null })
    return { key, record: this.#existing(id) }
  }

  /** Ends a key on all nodes, in less than a second. Again, it does nothing. */
  async revoke(id: string): Promise<KeyRecord> {
    await this.refresh()
    const { revokedAt } = this.#existing(id)
    if (revokedAt === undefined) await this.#write({ op: 'revoke', id, at: this.#options.now() })
    return this.#existing(id)
  }

  #mint(): { key: string; form: KeyForm } {
    const { digest, mark } = this.#options
    const key = mintKey()
    const start = key.slice(0, PREFIX.length + SHOWN_CHARACTERS)
    return { key, form: { digest: digest(key), mark, start } }
  }

  async #write(row: KeyRow): Promise<void> {
    await this.#options.journal.append(rowJson(row))
    await Promise.all([this.#options.announce(), this.refresh()])
  }

  #existing(id: string): KeyRecord {
    const record = this.get(id)
    if (record === undefined) {
      throw new GatewayError('ROUTE_NOT_FOUND', `there is no key ${JSON.stringify(id)}`)
    }
    return record
  }

  async #read(): Promise<void> {
    const startedAt = this.#options.now()
    const { isAnew, isLoss, rows } = await this.#options.journal.news()
    // From here on without a pause: no request sees half of it.
    if (isAnew) this.#beginAnew()
    for (const { row } of rows) {
      const known = rowOf(row)
      if (known !== undefined) this.#apply(known)
    }
    this.checkedAt = startedAt
    if (isLoss) this.#options.onLost()
    if (isAnew || rows.length > 0) this.#options.onChange()
  }

  /** What the store has forgotten is forgotten here too: all nodes must know the same, also those that start now. */
  #beginAnew(): void {
    this.#byId.clear()
    this.#byDigest.clear()
    this.#foreign = 0
  }

  #apply(row: KeyRow): void {
    if (row.op === 'create') {
      const entry: Entry = { record: row.key, forms: [] }
      this.#byId.set(row.key.id, entry)
      return this.#addForm(entry, row.form)
    }
    const entry = this.#byId.get(row.id)
    if (entry === undefined) return
    if (row.op === 'revoke') {
      entry.record = { ...entry.record, revokedAt: entry.record.revokedAt ?? row.at }
      return
    }
    for (const one of entry.forms) one.until = Math.min(one.until, row.overlapUntil)
    const { expiresAt: _before, ...rest } = entry.record
    entry.record = row.expiresAt === null ? rest : { ...rest, expiresAt: row.expiresAt }
    this.#addForm(entry, row.form)
  }

  #addForm(entry: Entry, form: KeyForm): void {
    entry.forms.push({ form, until: Infinity })
    if (form.mark === this.#options.mark) this.#byDigest.set(form.digest, { entry, form })
    else this.#foreign++
  }

  /** Lets go of what has long been invalid, so that years of keys do not fill the memory. */
  #forget(): void {
    const before = this.#options.now() - KEPT_MS
    for (const [id, { record, forms }] of this.#byId) {
      if (isValid(record, before)) continue
      this.#byId.delete(id)
      for (const { form } of forms) this.#byDigest.delete(form.digest)
    }
  }
}

/** What an unknown digest is compared with. */
const NOBODY = '00'.repeat(32)

/** True where a key was neither revoked nor expired at a time. */
export function isValid({ revokedAt, expiresAt }: KeyRecord, at: number): boolean {
  return (revokedAt ?? Infinity) > at && (expiresAt ?? Infinity) > at
}
