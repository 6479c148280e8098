import { mkdir, readFile, stat, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { describe, expect, onTestFinished, test } from 'vitest'
import { verifyJournal } from '#core/store/chain.ts'
import { openStore } from '#core/store/open.ts'
import type { Store } from '#core/store/store.ts'
import { Clock } from './contract/store.ts'
import { temporaryFolder } from './temporary.ts'

const clock = new Clock()

async function open(url: string): Promise<Store> {
  const store = await openStore(url, clock)
  onTestFinished(() => store.close())
  return store
}

describe('the URL of a store', () => {
  test('names a store in memory or in a file', async () => {
    const path = join(await temporaryFolder(), 'store.db')
    expect((await open('memory:')).url).toBe('memory:')
    expect((await open(`sqlite:${path}`)).url).toBe(`sqlite:${path}`)
    await open(`sqlite://${path}`)
  })

  test('is relative to the working directory', async () => {
    const folder = await temporaryFolder()
    const before = process.cwd()
    process.chdir(folder)
    onTestFinished(() => process.chdir(before))
    await open('sqlite:./deep/down/store.db')
    expect((await stat(join(folder, 'deep/down/store.db'))).isFile()).toBe(true)
  })

  test.for([
    [
      'postgres://me:secret@host/db',
      'unknown store "postgres:", expected memory:, sqlite:PATH or redis://HOST',
    ],
    [
      'data/sluice.db',
      'unknown store "data/sluice.db", expected memory:, sqlite:PATH or redis://HOST',
    ],
    ['memory:x', 'unknown store "memory:"'],
    ['sqlite:', 'store "sqlite:": expected a path after sqlite:\n  hint: write sqlite:./data/'],
    ['sqlite::memory:', 'expected a path after sqlite:'],
    ['sqlite://data/x.db', 'there is no host in sqlite:PATH\n  hint: write sqlite:data/x.db'],
    ['sqlite:x.db?maxsize=1', 'unknown option "maxsize"\n  hint: write maxSize'],
    ['sqlite:x.db?maxSize=big', 'maxSize: expected a size such as 64kb or 10mb, got "big"'],
    [
      'sqlite:x.db?synchronous=off',
      'synchronous is "off"\n  hint: write synchronous=normal or =full',
    ],
  ])('is refused where it makes no sense: %s', async ([url, message]) => {
    const error = await openStore(url!, clock).catch((cause: unknown) => cause as Error)
    expect((error as Error).message).toContain(message)
    expect((error as Error).message).not.toContain('secret')
  })
})

describe('opening a file', () => {
  test('creates it for the owner alone, companions too', async () => {
    const path = join(await temporaryFolder(), 'folder/store.db')
    const store = await open(`sqlite:${path}`)
    await store.ledger.append('usage', {})
    for (const file of [path, `${path}-wal`, `${path}-shm`]) {
      expect((await stat(file)).mode & 0o777).toBe(0o600)
    }
    expect((await stat(join(path, '..'))).mode & 0o777).toBe(0o700)
  })

  test('by several at once makes one schema', async () => {
    const path = join(await temporaryFolder(), 'store.db')
    const stores = await Promise.all(Array.from({ length: 5 }, () => open(`sqlite:${path}`)))
    const appended = await Promise.all(stores.map(({ ledger }) => ledger.append('usage', {})))
    expect(appended.toSorted((a, b) => a - b)).toEqual([1, 2, 3, 4, 5])
  })

  test('with synchronous=full waits for the disk', async () => {
    const path = join(await temporaryFolder(), 'store.db')
    const store = await open(`sqlite:${path}?synchronous=full`)
    expect(await store.ledger.append('usage', {})).toBe(1)
  })

  test('says where and why it cannot', async () => {
    const folder = await temporaryFolder()
    await writeFile(join(folder, 'file'), 'x')
    await mkdir(join(folder, 'folder'))
    await symlink(join(folder, 'loop'), join(folder, 'loop'))
    const failure = async (path: string) =>
      (await openStore(`sqlite:${path}`, clock).catch((cause: unknown) => cause as Error)) as Error
    const cases = [
      [join(folder, 'file/store.db'), /cannot open .*file\/store\.db: a part of the path is not/],
      [join(folder, 'folder'), /cannot open .*folder: it is a folder \(EISDIR\)/],
      [join(folder, 'loop'), /cannot open .*loop: .*\(ELOOP\)/],
      [join(folder, 'x'.repeat(300)), /the path is too long \(ENAMETOOLONG\)/],
    ] as const
    for (const [path, message] of cases) {
      const error = await failure(path)
      expect(error.message).toMatch(message)
      expect(error.message).toContain(`store "sqlite:${path}"`)
      expect(error.cause).toBeDefined()
    }
  })

  test('refuses a file that is not a database, and leaves it alone', async () => {
    const path = join(await temporaryFolder(), 'notes.txt')
    await writeFile(path, 'x'.repeat(10_000))
    await expect(open(`sqlite:${path}`)).rejects.toThrow(/it is not an SQLite database\n {2}hint:/)
    expect(await readFile(path, 'utf8')).toBe('x'.repeat(10_000))
  })

  test('refuses the database of another program', async () => {
    const path = join(await temporaryFolder(), 'other.db')
    const other = new DatabaseSync(path)
    other.exec('CREATE TABLE t (a)')
    other.close()
    await expect(open(`sqlite:${path}`)).rejects.toThrow(/the database of another program/)
  })

  test('brings the file of an older Sluice up to date, with all that is in it', async () => {
    const path = join(await temporaryFolder(), 'store.db')
    const before = await openStore(`sqlite:${path}`, clock)
    await before.ledger.append('usage', { n: 1 })
    await before.close()
    const db = new DatabaseSync(path)
    db.exec(`DROP TABLE message;
      ALTER TABLE ledger DROP COLUMN hash; ALTER TABLE journal DROP COLUMN hash;
      ALTER TABLE journal DROP COLUMN anchor; ALTER TABLE journal DROP COLUMN anchor_hash;
      PRAGMA user_version = 1`)
    db.close()
    const store = await openStore(`sqlite:${path}`, clock)
    onTestFinished(() => store.close())
    await store.channel('a').publish('works')
    expect(await store.ledger.read('usage', { limit: 1 })).toMatchObject([{ row: { n: 1 } }])
    // Rows of before have no hash; the chain begins behind them.
    await store.ledger.append('usage', { n: 2 })
    expect(await verifyJournal(store.ledger, 'usage')).toMatchObject({ rows: 1, faults: [] })
  })

  test('refuses a file that a newer Sluice has written', async () => {
    const path = join(await temporaryFolder(), 'store.db')
    await (await openStore(`sqlite:${path}`, clock)).close()
    const db = new DatabaseSync(path)
    db.exec('PRAGMA user_version = 7')
    db.close()
    await expect(open(`sqlite:${path}`)).rejects.toThrow(
      /schema version 7, written by a newer Sluice; this one knows up to 3/,
    )
  })

  test.for([
    ['pages of rubbish', (page: Buffer) => page.fill(0xa5)],
    ['a page that counts too many cells', (page: Buffer) => page.writeUInt16BE(0xffff, 3)],
    ['a row where none may be', (page: Buffer) => page.writeUInt8(0x05, 0)],
  ] as const)('finds damage: %s', async ([, damage]) => {
    const path = join(await temporaryFolder(), 'store.db')
    const store = await openStore(`sqlite:${path}`, clock)
    const rows = Array.from({ length: 200 }, (_, n) => store.ledger.append('usage', { n }))
    await Promise.all(rows)
    await store.close()
    const bytes = await readFile(path)
    damage(bytes.subarray(-4_096))
    await writeFile(path, bytes)
    await expect(open(`sqlite:${path}`)).rejects.toThrow(
      /^store ".*": cannot open .*: the file is damaged/,
    )
  })
})
