import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { casesOf } from './cases.ts'
import { COLUMNS, Lanes } from './lanes.ts'
import { runCell } from './run-cell.ts'

const lanes = new Lanes()

beforeAll(() => lanes.start())
afterAll(() => lanes.close())

describe.each(COLUMNS)('$name in front of $upstream', ({ client, upstream }) => {
  const cells = casesOf(upstream).flatMap((one) => [
    { one, stream: false, how: 'plain' },
    { one, stream: true, how: 'streamed' },
  ])

  test.concurrent.each(cells)('$one.name, $how', async ({ one, stream }) => {
    const { name, dialect } = client
    const cell = { client: name, dialect, upstream, case: one.name, stream }
    const { found, meant } = await runCell(lanes, client, cell, one)
    expect(found).toEqual(meant)
  })
})
