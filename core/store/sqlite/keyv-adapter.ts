import { keyvStorageCapability, type KeyvStorageEntry } from 'keyv'
import type { DatabaseSync, StatementSync } from 'node:sqlite'
import type { Adapter } from '../key-value.ts'
import { storeError } from './failure.ts'
import type { Writer } from './writer.ts'

/** The statements that all namespaces share. */
export interface ValueStatements {
  readonly read: StatementSync
  readonly write: StatementSync
  readonly remove: StatementSync
  readonly clear: StatementSync
}

/** Prepares them. */
export function prepareValues(db: DatabaseSync): ValueStatements {
  return {
    read: db.prepare(`
      SELECT value FROM value WHERE namespace = ? AND key = ? AND (expires IS NULL OR expires > ?)`),
    write: db.prepare(`
      INSERT INTO value (namespace, key, value, expires) VALUES (?, ?, ?, ?)
      ON CONFLICT (namespace, key) DO UPDATE SET value = excluded.value, expires = excluded.expires`),
    remove: db.prepare(`
      DELETE FROM value WHERE namespace = ? AND key = ?
      RETURNING expires IS NULL OR expires > ? AS was_there`),
    clear: db.prepare('DELETE FROM value WHERE namespace = ?'),
  }
}

/** Keyv's v6 storage contract over the table `value`: absolute `expires`, checked here by the store's clock. */
export class SqliteAdapter implements Adapter {
  /** Set by Keyv. */
  namespace: string | undefined
  readonly #statements: ValueStatements
  readonly #writer: Writer
  readonly #url: string
  readonly #now: () => number

  constructor(statements: ValueStatements, writer: Writer, url: string, now: () => number) {
    this.#statements = statements
    this.#writer = writer
    this.#url = url
    this.#now = now
  }

  get capabilities() {
    return keyvStorageCapability(this)
  }

  async get(key: string): Promise<string | undefined> {
    return this.#read(key)
  }

  async getMany(keys: string[]): Promise<(string | undefined)[]> {
    return keys.map((key) => this.#read(key))
  }

  async set(key: string, value: unknown, expires?: number): Promise<boolean> {
    await this.#writer.run(() => this.#write(key, value, expires))
    return true
  }

  async setMany<Value>(entries: KeyvStorageEntry<Value>[]): Promise<boolean[]> {
    await this.#writer.run(() => {
      for (const { key, value, expires } of entries) this.#write(key, value, expires)
    })
    return entries.map(() => true)
  }

  async has(key: string): Promise<boolean> {
    return this.#read(key) !== undefined
  }

  async hasMany(keys: string[]): Promise<boolean[]> {
    return keys.map((key) => this.#read(key) !== undefined)
  }

  async delete(key: string): Promise<boolean> {
    return this.#writer.run(() => this.#remove(key))
  }

  async deleteMany(keys: string[]): Promise<boolean[]> {
    return this.#writer.run(() => keys.map((key) => this.#remove(key)))
  }

  async clear(): Promise<void> {
    await this.#writer.run(() => this.#statements.clear.run(this.#namespace))
  }

  get #namespace(): string {
    return this.namespace ?? ''
  }

  #read(key: string): string | undefined {
    try {
      return this.#statements.read.get(this.#namespace, key, this.#now())?.value as
        | string
        | undefined
    } catch (cause) {
      throw storeError(this.#url, cause)
    }
  }

  #write(key: string, value: unknown, expires: number | undefined): void {
    this.#statements.write.run(this.#namespace, key, value as string, expires ?? null)
  }

  #remove(key: string): boolean {
    return this.#statements.remove.get(this.#namespace, key, this.#now())?.was_there === 1
  }
}
