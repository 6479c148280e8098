import { expect, it } from 'vitest'
import { formatTime, parseTime } from '#core/kit/time.ts'

it('reads what it prints', () => {
  for (const time of [0, 1_767_225_600_000, 4_102_444_800_000]) {
    expect(parseTime(formatTime(time))).toBe(time)
  }
})

it.each([
  ['2026-01-31', 1_769_817_600_000],
  ['2026-01-31T01:00:00+01:00', 1_769_817_600_000],
  ['2026-01-31T00:00Z', 1_769_817_600_000],
])('reads %s', (text, time) => {
  expect(parseTime(text)).toBe(time)
})

it.each(['2026', '2026-13-01', '2026-01-31T00:00:00', 'tomorrow', '1 Jan 2026'])(
  'does not guess what %s means',
  (text) => {
    expect(parseTime(text)).toBeUndefined()
  },
)
