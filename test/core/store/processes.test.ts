import { spawn, type ChildProcessByStdio } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { describe, expect, onTestFinished, test } from 'vitest'
import { openStore } from '#core/store/open.ts'
import type { LedgerRow, Store } from '#core/store/store.ts'
import { temporaryFolder } from './temporary.ts'

const CHILD = join(import.meta.dirname, 'child.ts')

interface Child {
  readonly process: ChildProcessByStdio<null, Readable, Readable>
  /** What it has told so far, line by line. */
  readonly lines: () => string[]
  readonly stderr: () => string
}

function start(url: string, work: string, name: string, env: Record<string, string> = {}): Child {
  const child = spawn(process.execPath, [CHILD, url, work, name], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...env },
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  let told = ''
  let stderr = ''
  child.stdout.on('data', (data: Buffer) => (told += data.toString()))
  child.stderr.on('data', (data: Buffer) => (stderr += data.toString()))
  // The last piece may be half a line.
  return { process: child, lines: () => told.split('\n').slice(0, -1), stderr: () => stderr }
}

/** Lets the child work until it has told `count` steps, then kills it in the midst of whatever it does. */
async function killAfter(child: Child, count: number): Promise<string[]> {
  const closed = once(child.process, 'close')
  while (child.lines().length < count && child.process.exitCode === null) {
    await Promise.race([once(child.process.stdout, 'data'), closed])
  }
  child.process.kill('SIGKILL')
  await closed
  expect(child.stderr()).toBe('')
  return child.lines()
}

async function sharedFile(): Promise<{ url: string; open: () => Promise<Store> }> {
  const url = `sqlite:${join(await temporaryFolder(), 'store.db')}`
  return { url, open: () => openStore(url, { now: Date.now }) }
}

describe('processes on one file', () => {
  test('share a limit without overshoot', { timeout: 60_000 }, async () => {
    const { url, open } = await sharedFile()
    const children = ['one', 'two', 'three'].map((name) =>
      start(url, 'take', name, { LIMIT: '1000' }),
    )
    await Promise.all(children.map(({ process: child }) => once(child, 'close')))
    expect(children.map(({ stderr }) => stderr())).toEqual(['', '', ''])
    const taken = children.map(({ lines }) => lines().reduce((sum, line) => sum + Number(line), 0))
    expect(taken[0]! + taken[1]! + taken[2]!).toBe(Math.floor(1_000 / 3))
    const store = await open()
    const limit = { key: 'shared', algorithm: 'total', limit: 1_000 } as const
    expect(await store.counters.read([limit])).toMatchObject([{ remaining: 1 }])
    await store.close()
  })

  test('number the rows of one journal without gaps', { timeout: 60_000 }, async () => {
    const { url, open } = await sharedFile()
    const children = ['one', 'two'].map((name) => start(url, 'append', name))
    const lines = await Promise.all(children.map((child) => killAfter(child, 150)))
    const told = lines.flat().map(Number)
    expect(new Set(told).size).toBe(told.length)
    const store = await open()
    const rows = await store.ledger.read('usage', { limit: 10_000 })
    expect(rows.map(({ sequence }) => sequence)).toEqual(rows.map((_, at) => at + 1))
    expect(new Set(rows.map(({ row }) => row.name)).size).toBe(2)
    await store.close()
  })
})

describe('kill -9', () => {
  test(
    'loses no acknowledged row and no acknowledged settlement',
    { timeout: 120_000 },
    async () => {
      const { url, open } = await sharedFile()
      let before = 0
      for (let round = 1; round <= 12; round++) {
        const child = start(url, 'all', String(round))
        const told = await killAfter(child, Math.ceil(Math.random() * 200))
        const store = await open()
        const rows = await readAll(store)
        expect(missing(told, rows, String(round))).toEqual([])
        expect(rows.every(({ sequence }, at) => sequence === at + 1)).toBe(true)
        const [state] = await store.counters.read([LIMIT])
        const used = LIMIT.limit - state!.remaining
        expect(possible(told).map((sum) => before + sum)).toContain(used)
        before = used
        await store.close()
      }
    },
  )
})

const LIMIT = { key: 'shared', algorithm: 'total', limit: 1e12 } as const

/** Sequences that were acknowledged, but are not there. */
function missing(told: string[], rows: readonly LedgerRow[], name: string): number[] {
  const there = new Set(rows.filter(({ row }) => row.name === name).map(({ sequence }) => sequence))
  const acknowledged = told.filter((line) => /^\d+$/.test(line)).map(Number)
  return acknowledged.filter((sequence) => !there.has(sequence))
}

/** What may be used after the steps that were told: the one that was under way may have happened or not. */
function possible(told: string[]): number[] {
  const settled = told.filter((line) => line === 'settled').length
  if (told.at(-1) === 'reserved') return [settled + 10, settled + 1]
  return [settled, settled + 10]
}

async function readAll(store: Store): Promise<LedgerRow[]> {
  const rows: LedgerRow[] = []
  for (;;) {
    const page = await store.ledger.read('usage', { after: rows.length, limit: 10_000 })
    rows.push(...page)
    if (page.length < 10_000) return rows
  }
}
