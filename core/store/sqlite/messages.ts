import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { Channels, type Carrier } from '../channels.ts'
import type { Writer } from './writer.ts'

/** How often the messages of other processes are looked for, while somebody listens. */
const LOOK_EVERY_MS = 100

/** How long a message is kept for processes that are slow to look. */
const KEPT_MS = 60_000

/** Messages handed out at one look. */
const MOST_AT_ONCE = 1_000

interface MessageRow {
  readonly id: number
  readonly channel: string
  readonly text: string
}

/**
 * Messages as rows of the table `message`: each process looks for those that came after the last it has seen. SQLite
 * tells nobody of a change, so somebody who listens asks ten times a second, at a cost of a few microseconds.
 */
export class SqliteMessages implements Carrier {
  readonly channels = new Channels(this)
  readonly #writer: Writer
  readonly #now: () => number
  readonly #insert: StatementSync
  readonly #newest: StatementSync
  readonly #after: StatementSync
  #timer: NodeJS.Timeout | undefined
  #seen = 0

  constructor(db: DatabaseSync, writer: Writer, now: () => number) {
    this.#writer = writer
    this.#now = now
    this.#insert = db.prepare('INSERT INTO message (channel, text, expires) VALUES (?, ?, ?)')
    this.#newest = db.prepare("SELECT seq FROM sqlite_sequence WHERE name = 'message'")
    this.#after = db.prepare(
      `SELECT id, channel, text FROM message WHERE id > ? ORDER BY id LIMIT ${MOST_AT_ONCE}`,
    )
  }

  async publish(channel: string, text: string): Promise<void> {
    await this.#writer.run(() => this.#insert.run(channel, text, this.#now() + KEPT_MS))
    if (this.#timer !== undefined) this.#look()
  }

  open(channel: string): void {
    if (this.#timer === undefined) {
      this.#seen = this.#newestId()
      this.#timer = setInterval(() => this.#look(), LOOK_EVERY_MS)
      this.#timer.unref()
    }
    queueMicrotask(() => this.channels.begin(channel))
  }

  close(): void {
    if (this.channels.open.length > 0) return
    clearInterval(this.#timer)
    this.#timer = undefined
  }

  #newestId(): number {
    return (this.#newest.get()?.seq as number | undefined) ?? 0
  }

  #look(): void {
    const found = this.#read()
    if (found === undefined) return
    const { rows, newest } = found
    const hasGap = rows[0]?.id !== this.#seen + 1
    this.#seen = rows.at(-1)?.id ?? newest
    // What was swept before this process looked.
    if (hasGap) for (const channel of this.channels.open) this.channels.begin(channel)
    for (const { channel, text } of rows) this.channels.deliver(channel, text)
    if (rows.length === MOST_AT_ONCE) setImmediate(() => this.#look())
  }

  /** What has come since the last look; undefined where nothing has. */
  #read(): { rows: readonly MessageRow[]; newest: number } | undefined {
    if (this.#timer === undefined) return undefined
    try {
      const newest = this.#newestId()
      if (newest <= this.#seen) return undefined
      return { newest, rows: this.#after.all(this.#seen) as unknown as MessageRow[] }
    } catch {
      // The rows stay where they are for the next look; whoever uses the store for something is told what is wrong.
      return undefined
    }
  }
}
