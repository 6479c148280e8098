import { mkdirSync, closeSync, openSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as wait } from 'node:timers/promises'
import { isBusy, sqliteReason } from './failure.ts'
import type { Location } from './location.ts'
import { migrate } from './schema.ts'

/** Up to this size the whole file is checked at start; beyond, the tables whose damage would lift limits. */
const CHECK_WHOLE_BYTES = 64 * 1024 ** 2
const CHECKED_TABLES = ['counter', 'hold', 'journal']

/** How long SQLite itself blocks for a lock; longer waits are the writer's, which doesn't block. */
const LOCK_TIMEOUT_MS = 20

/** How often opening is tried while other processes open or migrate the same file. */
const OPEN_ATTEMPTS = 200
const OPEN_RETRY_MS = 25

/** A write-ahead log that has grown beyond this is cut back to it. */
const LOG_BYTES = 64 * 1024 ** 2

/**
 * Opens the file, creating it (mode 0600) and its folder where they are missing: WAL, checked, schema up to date.
 * Throws an Error that says where and why.
 */
export async function openDatabase(url: string, location: Location): Promise<DatabaseSync> {
  try {
    createFile(location.path)
    for (let attempt = 1; ; attempt++) {
      try {
        return connect(location)
      } catch (cause) {
        if (!isBusy(cause) || attempt === OPEN_ATTEMPTS) throw cause
        await wait(OPEN_RETRY_MS)
      }
    }
  } catch (cause) {
    throw cannotOpen(url, location.path, cause)
  }
}

function createFile(path: string): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  // SQLite gives its companions (-wal, -shm) the mode of the file.
  closeSync(openSync(path, 'a', 0o600))
}

function connect(location: Location): DatabaseSync {
  const db = new DatabaseSync(location.path, { timeout: LOCK_TIMEOUT_MS })
  try {
    db.exec(`
      PRAGMA journal_mode = WAL;
      PRAGMA synchronous = ${location.synchronous};
      PRAGMA journal_size_limit = ${LOG_BYTES};
    `)
    check(db, location.path)
    migrate(db)
    if (location.maxSizeBytes !== undefined) limitSize(db, location.maxSizeBytes)
    return db
  } catch (cause) {
    db.close()
    throw cause
  }
}

function check(db: DatabaseSync, path: string): void {
  const checks =
    statSync(path).size <= CHECK_WHOLE_BYTES
      ? ['PRAGMA quick_check(1)']
      : CHECKED_TABLES.map((table) => `PRAGMA quick_check(${table})`)
  for (const sql of checks) {
    const { quick_check: found } = db.prepare(sql).get() as { quick_check: string }
    if (found === 'ok') continue
    throw new Error(
      `the file is damaged: ${found}\n  hint: move it away and restore a backup, or start with a new one`,
    )
  }
}

function limitSize(db: DatabaseSync, maxSizeBytes: number): void {
  const { page_size: pageSize } = db.prepare('PRAGMA page_size').get() as { page_size: number }
  db.exec(`PRAGMA max_page_count = ${Math.max(1, Math.floor(maxSizeBytes / pageSize))}`)
}

function cannotOpen(url: string, path: string, cause: unknown): Error {
  const reason = sqliteReason(cause) ?? systemReason(cause as NodeJS.ErrnoException)
  return new Error(`store ${JSON.stringify(url)}: cannot open ${path}: ${reason}`, { cause })
}

function systemReason({ code, message }: NodeJS.ErrnoException): string {
  return code === undefined ? message : `${REASONS[code] ?? message} (${code})`
}

const REASONS: Readonly<Record<string, string>> = {
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  EROFS: 'the file system is read-only',
  EISDIR: 'it is a folder',
  ENOTDIR: 'a part of the path is not a folder',
  EEXIST: 'a part of the path is not a folder',
  ENOSPC: 'the disk is full',
  ENAMETOOLONG: 'the path is too long',
}
