import * as fc from 'fast-check'
import { RE2JS } from 're2js'
import { describe, expect, test } from 'vitest'
import { partialPattern, PatternSyntaxError } from '#core/kit/partial-pattern.ts'
import { PERSONAL_DATA, scrub } from '#core/kit/personal-data.ts'
import { patternDetector, Redactor } from '#core/kit/redactor.ts'

/** What comes of a text that is shown in pieces. */
function inPieces(redactor: Redactor, pieces: readonly string[]): string {
  let sent = ''
  let held = ''
  let before = ''
  for (const [index, piece] of pieces.entries()) {
    const text = held + piece
    const { text: redacted, hold } = redactor.redact({
      text,
      before,
      isLast: index === pieces.length - 1,
    })
    const gone = text.slice(0, text.length - hold.length)
    before = Array.from(gone).at(-1) ?? before
    sent += redacted
    held = hold
  }
  return sent
}

const PATTERNS = [
  'abc',
  'a|bc|cab',
  '(?i)Falcon',
  '\\bab+c?\\b',
  'a{2,3}b',
  '(?:ab){1,3}(c|d)?',
  '(?P<name>a.)c',
  '[ab]{3}[^b]',
  '\\Qa.b\\E',
  'a(?i:b)c',
  '🌍+a',
  '\\d{3}-\\d{2}',
  'b*?a',
]

test('a text comes to the same in pieces, whatever the pattern', () => {
  const text = fc.string({
    unit: fc.constantFrom('a', 'b', 'c', 'd', 'A', 'F', 'alcon', '1', '23', '-', '.', ' ', '🌍'),
    maxLength: 30,
  })
  const cuts = fc.array(fc.nat(), { maxLength: 6 })
  fc.assert(
    fc.property(
      fc.subarray(PATTERNS, { minLength: 1, maxLength: 3 }),
      text,
      cuts,
      (patterns, whole, at) => {
        const redactor = new Redactor(
          patterns.map((pattern, index) => patternDetector(pattern, `<${index}>`)),
        )
        const characters = Array.from(whole)
        const places = at.map((one) => one % (characters.length + 1)).toSorted((a, b) => a - b)
        const pieces = [0, ...places].map((from, index) =>
          characters.slice(from, places[index]).join(''),
        )
        expect(inPieces(redactor, pieces)).toBe(redactor.redactAll(whole))
      },
    ),
    { numRuns: 1_500, interruptAfterTimeLimit: 5_000 },
  )
}, 10_000)

test('personal data comes to the same in pieces', () => {
  const redactor = new Redactor(PERSONAL_DATA)
  const bit = fc.constantFrom(
    '4111 1111 1111 1111',
    '4111-1111',
    '5555555555554444',
    'ada@example.com',
    '+49 170 1234567',
    'DE89 3704 0044 0532 0130 00',
    '123-45-6789',
    '(555) 123-4567',
    'sk-abcdefghijklmnop1234',
    'Bearer abcdefgh12345',
    '-----BEGIN PRIVATE KEY-----',
    'MII',
    ' ',
    ', ',
    'x',
    '7',
    '.',
  )
  fc.assert(
    fc.property(
      fc.array(bit, { maxLength: 8 }),
      fc.array(fc.nat(), { maxLength: 8 }),
      (bits, at) => {
        const whole = bits.join('')
        const places = at.map((one) => one % (whole.length + 1)).toSorted((a, b) => a - b)
        const pieces = [0, ...places].map((from, index) => whole.slice(from, places[index]))
        expect(inPieces(redactor, pieces)).toBe(redactor.redactAll(whole))
      },
    ),
    { numRuns: 3_000, interruptAfterTimeLimit: 5_000 },
  )
}, 10_000)

test('the leftmost match is replaced, and of those at one place that of the first pattern', () => {
  const redactor = new Redactor([
    patternDetector('bc', '1'),
    patternDetector('abc?', '2'),
    patternDetector('ab', '3'),
  ])
  expect(redactor.redactAll('abc bc ab')).toBe('2 1 2')
})

test('only what may become a match is held back', () => {
  const redactor = new Redactor([patternDetector('project falcon', '***')])
  expect(redactor.redact({ text: 'a pro', before: '', isLast: false })).toEqual({
    text: 'a ',
    hold: 'pro',
  })
  expect(redactor.redact({ text: 'a prose', before: '', isLast: false })).toEqual({
    text: 'a prose',
    hold: '',
  })
  expect(redactor.redact({ text: 'pro', before: '', isLast: true })).toEqual({
    text: 'pro',
    hold: '',
  })
})

test('a character that is cut in two is one', () => {
  const redactor = new Redactor([patternDetector('a🌍', '***')])
  expect(inPieces(redactor, ['x a', '🌍'.slice(0, 1), `${'🌍'.slice(1)}!`])).toBe('x ***!')
})

test('what is held back has a bound', () => {
  const redactor = new Redactor([patternDetector('x[^y]*y', '***')])
  const { text, hold } = redactor.redact({
    text: `x${'a'.repeat(100_000)}`,
    before: '',
    isLast: false,
  })
  expect(hold.length).toBe(16_384)
  expect(text.length + hold.length).toBe(100_001)
})

test('a card number is found beside another number', () => {
  expect(scrub('4111 1111 1111 1111 22 times')).toBe('[card] 22 times')
  expect(scrub('12 4111 1111 1111 1111')).toBe('12 [card]')
})

describe('the partial pattern', () => {
  test.each(PATTERNS)('of %s matches every beginning of a match', (pattern) => {
    const partial = RE2JS.compile(`\\A(?:${partialPattern(pattern)})\\z`)
    for (const text of [
      'abc',
      'cab',
      'falcon',
      'ab',
      'abbc',
      'aab',
      'ababc',
      'abab',
      'axc',
      'abac',
      'a.b',
      'aBc',
      '🌍🌍a',
      '123-45',
      'bba',
    ]) {
      const match = RE2JS.compile(pattern).matcher(text)
      if (!match.find()) continue
      const found = text.slice(match.start(), match.end())
      const characters = Array.from(found)
      for (let end = 0; end <= characters.length; end++) {
        const beginning = characters.slice(0, end).join('')
        expect([beginning, partial.matcher(beginning).find()]).toEqual([beginning, true])
      }
    }
  })

  test.each(['(?=a)', '(a', 'a)', '[a'])('is refused for what it does not know: %s', (pattern) => {
    expect(() => partialPattern(pattern)).toThrow(PatternSyntaxError)
  })
})
