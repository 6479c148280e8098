import fc from 'fast-check'
import { expect, it } from 'vitest'
import { retryHint } from '#core/dialects/retry-hint.ts'

const NOW = Date.UTC(2026, 10, 26, 12)

it.each([
  ['seconds', { 'retry-after': '7' }, 7_000],
  ['a fraction of a second', { 'retry-after': '0.25' }, 250],
  ['a date', { 'retry-after': 'Thu, 26 Nov 2026 12:00:30 GMT' }, 30_000],
  ['a date that has passed', { 'retry-after': 'Thu, 26 Nov 2026 11:00:00 GMT' }, 0],
  [
    "OpenAI's milliseconds, before its seconds",
    { 'retry-after-ms': '1200', 'retry-after': '2' },
    1_200,
  ],
  [
    'the reset of the counter that is used up, not of the other',
    {
      'x-ratelimit-remaining-requests': '12',
      'x-ratelimit-reset-requests': '1h0m0s',
      'x-ratelimit-remaining-tokens': '0',
      'x-ratelimit-reset-tokens': '6m0s',
    },
    360_000,
  ],
  [
    'the later reset where both are used up',
    {
      'x-ratelimit-remaining-requests': '0',
      'x-ratelimit-reset-requests': '120ms',
      'x-ratelimit-remaining-tokens': '0',
      'x-ratelimit-reset-tokens': '1.5s',
    },
    1_500,
  ],
  [
    "Anthropic's times",
    {
      'anthropic-ratelimit-input-tokens-remaining': '0',
      'anthropic-ratelimit-input-tokens-reset': '2026-11-26T12:01:00Z',
      'anthropic-ratelimit-requests-remaining': '4',
      'anthropic-ratelimit-requests-reset': '2026-11-26T13:00:00Z',
    },
    60_000,
  ],
  [
    'milliseconds since 1970, as OpenRouter counts',
    { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': String(NOW + 5_000) },
    5_000,
  ],
  [
    'seconds since 1970',
    { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': String(NOW / 1000 + 9) },
    9_000,
  ],
  ['seconds from now', { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': '3' }, 3_000],
  ['nothing', {}, undefined],
  ['nothing that can be read', { 'retry-after': 'soon' }, undefined],
  ['nothing below zero', { 'retry-after': '-3' }, undefined],
  [
    'nothing while something is left',
    { 'x-ratelimit-remaining': '1', 'x-ratelimit-reset': '3' },
    undefined,
  ],
])('reads %s', (_, headers, expected) => {
  expect(retryHint(headers, NOW)).toBe(expected)
})

it('makes no sense of nonsense, and never throws', () => {
  const names = fc.constantFrom(
    'retry-after',
    'retry-after-ms',
    'x-ratelimit-reset',
    'x-ratelimit-remaining',
  )
  fc.assert(
    fc.property(fc.dictionary(names, fc.oneof(fc.string(), fc.constant('0'))), (headers) => {
      const hint = retryHint(headers, NOW)
      expect(hint === undefined || hint >= 0).toBe(true)
    }),
  )
})
