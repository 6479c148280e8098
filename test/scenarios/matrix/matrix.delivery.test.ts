import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Delivery } from '../../support/replay/upstream.ts'
import { casesOf } from './cases.ts'
import { OWN_COLUMNS, Lanes } from './lanes.ts'
import { runCell } from './run-cell.ts'

const lanes = new Lanes()

beforeAll(() => lanes.start())
afterAll(() => lanes.close())

/** How the bytes of an answer come makes no difference. */
const deliveries: { how: string; stream: boolean; delivery: Delivery }[] = [
  { how: 'a stream that comes byte by byte', stream: true, delivery: { split: 1 } },
  { how: 'a stream in pieces of 7 bytes', stream: true, delivery: { split: 7 } },
  {
    how: 'a stream of an upstream that compresses where it may',
    stream: true,
    delivery: { gzip: true, split: 5 },
  },
  { how: 'an answer in pieces of 7 bytes', stream: false, delivery: { split: 7 } },
  {
    how: 'an answer of an upstream that compresses where it may',
    stream: false,
    delivery: { gzip: true },
  },
  { how: 'an answer that takes a while', stream: false, delivery: { delay: 30 } },
]

describe.each(OWN_COLUMNS)('$name in front of $upstream', ({ client, upstream }) => {
  const one = casesOf(upstream).find(({ name }) => name === 'tool results in a second turn')!

  test.concurrent.each(deliveries)('understands $how', async ({ stream, delivery }) => {
    const { name, dialect } = client
    const cell = { client: name, dialect, upstream, case: one.name, stream }
    const { found, meant } = await runCell(lanes, client, cell, one, delivery)
    expect(found).toEqual(meant)
  })
})
