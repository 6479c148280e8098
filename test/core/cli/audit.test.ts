import { DatabaseSync } from 'node:sqlite'
import path from 'node:path'
import { expect, it } from 'vitest'
import { openStore } from '#core/store/open.ts'
import { folderOf, sluice } from './command-line.ts'

const CONFIG = `version: 1
store: "sqlite:\${FILE}"
upstreams: { demo: { dialect: demo } }
routes: [{ id: all, upstream: demo }]
`

async function withRows(count: number): Promise<string> {
  const cwd = await folderOf({ 'gateway.yaml': CONFIG })
  const store = await openStore(`sqlite:${path.join(cwd, 'a.db')}`, { now: Date.now })
  for (let n = 1; n <= count; n++) await store.ledger.append('audit', { event: 'auth', n })
  await store.close()
  return cwd
}

it('says that the chain is whole, and where it ends', async () => {
  const cwd = await withRows(3)
  const { code, stdout } = await sluice(['audit', 'verify'], {
    cwd,
    env: { FILE: path.join(cwd, 'a.db') },
  })
  expect(code).toBe(0)
  expect(stdout).toMatch(/^the chain is whole: 3 rows, 1 to 3\nhead 3:[0-9a-f]{64}\n$/)
  const [, head = ''] = /head (\S+)/.exec(stdout) ?? []
  expect(
    await sluice(['audit', 'verify', '--head', head], {
      cwd,
      env: { FILE: path.join(cwd, 'a.db') },
    }),
  ).toMatchObject({ code: 0 })
})

it('says which row was changed', async () => {
  const cwd = await withRows(3)
  const db = new DatabaseSync(path.join(cwd, 'a.db'))
  db.exec(`UPDATE ledger SET row = '{}' WHERE sequence = 2`)
  db.close()
  const { code, stderr } = await sluice(['audit', 'verify'], {
    cwd,
    env: { FILE: path.join(cwd, 'a.db') },
  })
  expect(code).toBe(1)
  expect(stderr).toBe(
    'row 2 is not the row that was written\nthe chain is broken: 3 rows, 1 to 3\n',
  )
  const json = await sluice(['audit', 'verify', '--json'], {
    cwd,
    env: { FILE: path.join(cwd, 'a.db') },
  })
  expect(JSON.parse(json.stdout)).toMatchObject({ faults: [{ sequence: 2, kind: 'changed' }] })
})

it('lists rows, one line each', async () => {
  const cwd = await withRows(5)
  const { stdout } = await sluice(['audit', 'list', '--after', '2', '--limit', '2'], {
    cwd,
    env: { FILE: path.join(cwd, 'a.db') },
  })
  const rows = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as object)
  expect(rows).toMatchObject([{ sequence: 3, event: 'auth', n: 3 }, { sequence: 4 }])
})

it.each([
  [['audit'], 2, 'takes verify or list'],
  [['audit', 'verify', '--head', 'x'], 2, '--head takes SEQUENCE:HASH, got "x"'],
  [['audit', 'list', '--limit', '-1'], 2, '--limit'],
  [['audit', 'verify', 'nowhere.yaml'], 1, 'nowhere.yaml'],
])('refuses %j', async (args, code, message) => {
  const cwd = await folderOf({ 'gateway.yaml': CONFIG })
  const ran = await sluice(args, { cwd, env: { FILE: path.join(cwd, 'a.db') } })
  expect(ran.code).toBe(code)
  expect(ran.stderr).toContain(message)
})

it('says that there is no journal, rather than that all is well', async () => {
  const cwd = await folderOf({ 'gateway.yaml': CONFIG })
  const { code, stderr } = await sluice(['audit', 'verify'], {
    cwd,
    env: { FILE: path.join(cwd, 'other.db') },
  })
  expect(code).toBe(1)
  expect(stderr).toContain('the store has no journal "audit"')
})

it('says that a store in memory has nothing to read', async () => {
  const cwd = await folderOf({ 'gateway.yaml': CONFIG.replace('sqlite:${FILE}', 'memory:') })
  const { code, stderr } = await sluice(['audit', 'verify'], {
    cwd,
    env: { FILE: path.join(cwd, 'a.db') },
  })
  expect(code).toBe(1)
  expect(stderr).toContain('ends with the gateway')
})
