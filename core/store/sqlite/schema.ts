import type { DatabaseSync } from 'node:sqlite'

/** Marks a file as ours: `SLUI`. */
const APPLICATION_ID = 0x534c5549

/**
 * What makes version n+1 of the schema out of version n. Released entries never change; a new version is a new entry.
 *
 * - counter.state, hold.charges: whole numbers as JSON. Ids are never used twice, so that a hold whose counter was
 *   reset finds nothing rather than another counter.
 * - counter.idle_at: when the row may be deleted; null where time alone doesn't make it so.
 * - ledger is clustered by journal, so that reading one is one walk.
 * - ledger.hash chains the rows of a journal, journal.anchor is the row before the first that counts: the last that was
 *   pruned, or was written before there was a chain.
 * - message.id has no gaps but those of rows that were swept, so that a reader sees what it has missed.
 */
const MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE value (
    namespace TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, expires INTEGER,
    UNIQUE (namespace, key)
  ) STRICT;
  CREATE INDEX value_expires ON value (expires) WHERE expires IS NOT NULL;

  CREATE TABLE counter (
    id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, state TEXT NOT NULL,
    held_until INTEGER NOT NULL, idle_at INTEGER
  ) STRICT;
  CREATE INDEX counter_idle_at ON counter (idle_at) WHERE idle_at IS NOT NULL;

  CREATE TABLE hold (
    id TEXT PRIMARY KEY, expires INTEGER NOT NULL, charges TEXT NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX hold_expires ON hold (expires);

  CREATE TABLE journal (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE,
    last INTEGER NOT NULL, last_time INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE ledger (
    journal INTEGER NOT NULL, sequence INTEGER NOT NULL, time INTEGER NOT NULL, row TEXT NOT NULL,
    PRIMARY KEY (journal, sequence)
  ) STRICT, WITHOUT ROWID;
  `,
  `
  CREATE TABLE message (
    id INTEGER PRIMARY KEY AUTOINCREMENT, channel TEXT NOT NULL, text TEXT NOT NULL,
    expires INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX message_expires ON message (expires);
  `,
  `
  ALTER TABLE journal ADD COLUMN hash TEXT NOT NULL DEFAULT '';
  ALTER TABLE journal ADD COLUMN anchor INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE journal ADD COLUMN anchor_hash TEXT NOT NULL DEFAULT '';
  ALTER TABLE ledger ADD COLUMN hash TEXT NOT NULL DEFAULT '';
  UPDATE journal SET anchor = last;
  `,
]

/** The version of the schema that this program writes. */
export const SCHEMA_VERSION = MIGRATIONS.length

/**
 * Brings the schema up to SCHEMA_VERSION, in one transaction, so that one of several processes does it.
 * Throws where the file belongs to another program or to a newer Sluice.
 */
export function migrate(db: DatabaseSync): void {
  // Also when nothing is to be done: another process may be in the middle of it.
  db.exec('BEGIN IMMEDIATE')
  try {
    const version = pragma(db, 'user_version')
    checkOwner(db, version)
    for (const statements of MIGRATIONS.slice(version)) db.exec(statements)
    if (version < SCHEMA_VERSION) {
      db.exec(`PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${SCHEMA_VERSION}`)
    }
    db.exec('COMMIT')
  } catch (cause) {
    if (db.isTransaction) db.exec('ROLLBACK')
    throw cause
  }
}

function checkOwner(db: DatabaseSync, version: number): void {
  const tables = db.prepare('SELECT count(*) AS count FROM sqlite_schema').get()!
  if (tables.count === 0) return
  if (pragma(db, 'application_id') !== APPLICATION_ID) {
    throw new Error('it is the database of another program\n  hint: give Sluice a file of its own')
  }
  if (version > SCHEMA_VERSION) {
    throw new Error(
      `it has schema version ${version}, written by a newer Sluice; this one knows up to ${SCHEMA_VERSION}`,
    )
  }
}

function pragma(db: DatabaseSync, name: string): number {
  return Object.values(db.prepare(`PRAGMA ${name}`).get()!)[0] as number
}
