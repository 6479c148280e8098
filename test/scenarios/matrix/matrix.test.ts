import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { casesOf } from './cases.ts'
import { type Cell, DIFFERENCES } from './differences.ts'
import { COLUMNS, Lanes } from './lanes.ts'
import { runCell } from './run-cell.ts'

const lanes = new Lanes()

beforeAll(() => lanes.start())
afterAll(() => lanes.close())

const cells = COLUMNS.flatMap(({ client, upstream }) =>
  casesOf(upstream).flatMap((one) =>
    [false, true].map((stream): Cell => {
      const { name, dialect } = client
      return { client: name, dialect, upstream, case: one.name, stream }
    }),
  ),
)

describe.each(COLUMNS)('$name in front of $upstream', ({ client, upstream }) => {
  const own = cells.filter((cell) => cell.client === client.name && cell.upstream === upstream)

  test.concurrent.each(own)('$case, streamed: $stream', async (cell) => {
    const one = casesOf(upstream).find(({ name }) => name === cell.case)!
    const { found, meant } = await runCell(lanes, client, cell, one)
    expect(found).toEqual(meant)
  })
})

test.each(DIFFERENCES)('some cell differs because $why', (difference) => {
  expect(cells.some((cell) => difference.in(cell))).toBe(true)
})
