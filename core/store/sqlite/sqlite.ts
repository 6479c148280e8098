import type { DatabaseSync } from 'node:sqlite'
import { KeyvValues } from '../key-value.ts'
import type { Channel, KeyValue, Store } from '../store.ts'
import { SqliteCounters, SqliteRows } from './counters.ts'
import { prepareValues, SqliteAdapter, type ValueStatements } from './keyv-adapter.ts'
import { SqliteLedger } from './ledger.ts'
import { parseLocation } from './location.ts'
import { SqliteMessages } from './messages.ts'
import { openDatabase } from './open.ts'
import { Sweep } from './sweep.ts'
import { Writer } from './writer.ts'

/** Opens `sqlite:PATH`; rejects with an Error that says where and why. */
export async function openSqlite(url: string, now: () => number): Promise<Store> {
  return new SqliteStore(url, await openDatabase(url, parseLocation(url)), now)
}

/** A store in one file, shared by the processes of one machine that open it. */
class SqliteStore implements Store {
  readonly url: string
  readonly isShared = true
  readonly problem = undefined
  readonly counters: SqliteCounters
  readonly ledger: SqliteLedger
  readonly #db: DatabaseSync
  readonly #writer: Writer
  readonly #messages: SqliteMessages
  readonly #values: ValueStatements
  readonly #namespaces = new Map<string, KeyValue>()
  readonly #now: () => number

  constructor(url: string, db: DatabaseSync, now: () => number) {
    const rows = new SqliteRows(db)
    const sweep = new Sweep(db, now)
    this.url = url
    this.#db = db
    this.#now = now
    this.#values = prepareValues(db)
    this.#writer = new Writer(db, url, {
      beforeCommit() {
        rows.flush()
        sweep.run()
      },
      afterwards: () => rows.forget(),
    })
    this.counters = new SqliteCounters(rows, this.#writer, now)
    this.ledger = new SqliteLedger(db, this.#writer, url, now)
    this.#messages = new SqliteMessages(db, this.#writer, now)
  }

  keyValue(namespace: string): KeyValue {
    const known = this.#namespaces.get(namespace)
    if (known !== undefined) return known
    const adapter = new SqliteAdapter(this.#values, this.#writer, this.url, this.#now)
    const values = new KeyvValues(adapter, namespace, this.#now)
    this.#namespaces.set(namespace, values)
    return values
  }

  channel(name: string): Channel {
    return this.#messages.channels.channel(name)
  }

  async close(): Promise<void> {
    this.#messages.channels.clear()
    await this.#writer.close()
    if (this.#db.isOpen) this.#db.close()
  }
}
