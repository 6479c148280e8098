import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { GatewayError } from '#core/errors.ts'
import { parseJson } from '#core/kernel/body.ts'

function parse(text: string, depth = 64) {
  return parseJson(Buffer.from(text), depth)
}

function refusal(text: string, depth?: number): string {
  try {
    parse(text, depth)
  } catch (error) {
    const { code, message } = error as GatewayError
    return code === 'INVALID_JSON' ? message : `not ${code}: ${message}`
  }
  throw new Error('nothing was thrown')
}

function outcome(run: () => unknown): unknown {
  try {
    return { value: run() }
  } catch {
    return 'refused'
  }
}

/** Offset of the fault as the message tells it; the length of a text without one. */
function faultOf(json: string): number {
  if (outcome(() => parse(json)) !== 'refused') return json.length
  const [, line, column] = /^line (\d+), column (\d+): /.exec(refusal(json))!
  const above = json.split('\n').slice(0, Number(line) - 1)
  return above.join('\n').length + (above.length > 0 ? 1 : 0) + Number(column) - 1
}

/** True where V8 finds nothing wrong but that the text ends. */
function isBeginning(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch (error) {
    const { message } = error as Error
    return /end of JSON input|Unterminated/.test(message) || message.includes(` ${text.length} (`)
  }
}

describe('parseJson', () => {
  it.each([
    ['', 'line 1, column 1: the JSON ends too early'],
    ['{"a":1', 'line 1, column 7: the JSON ends too early'],
    ['"abc', 'line 1, column 5: the JSON ends too early'],
    ['{"a":1,}', 'line 1, column 8: unexpected "}"'],
    ['{\n  "a": 1\n  "b": 2\n}', 'line 3, column 3: unexpected "\\""'],
    ['[1,,2]', 'line 1, column 4: unexpected ","'],
    ['[1]]', 'line 1, column 4: unexpected "]"'],
    ['{a:1}', 'line 1, column 2: unexpected "a"'],
    ["{'a':1}", 'line 1, column 2: unexpected "\'"'],
    ['{"a" 1}', 'line 1, column 6: unexpected "1"'],
    ['tru', 'line 1, column 1: unexpected "t"'],
    ['01', 'line 1, column 2: unexpected "1"'],
    ['"a\tb"', 'line 1, column 3: unexpected "\\t"'],
    ['"a\\xb"', 'line 1, column 3: unexpected "\\\\"'],
    ['[1}', 'line 1, column 3: unexpected "}"'],
    ['NaN', 'line 1, column 1: unexpected "N"'],
    ['\u{1F600}', 'line 1, column 1: unexpected "\u{1F600}"'],
  ])('tells where %j breaks', (text, message) => {
    expect(refusal(text)).toBe(message)
  })

  it('counts lists and maps inside each other, not brackets in strings', () => {
    expect(parse('[[{"a":"[[[["}]]', 3)).toEqual([[{ a: '[[[[' }]])
    expect(parse('["\\"[[[", "\\\\", []]', 2)).toEqual(['"[[[', '\\', []])
    expect(parse('[[],[],[]]', 2)).toEqual([[], [], []])
    expect(refusal('[[\n[]]]', 2)).toBe('line 2, column 1: nested deeper than 2')
    expect(refusal('{"a":{"b":{}}}', 2)).toBe('line 1, column 11: nested deeper than 2')
  })

  it('refuses ten megabytes of brackets at once', () => {
    expect(refusal('['.repeat(10_000_000))).toBe('line 1, column 65: nested deeper than 64')
  })

  it('finds the fault in a long body without running out of stack', () => {
    expect(refusal(`["${'a\\n'.repeat(2_000_000)}" x]`)).toMatch(': unexpected "x"')
  })

  it('refuses a key __proto__, also in escapes, and nothing else by its name', () => {
    expect(refusal('{"a":[{"__proto__":{"x":1}}]}')).toBe('the key "__proto__" is not allowed')
    expect(refusal('{"\\u005f_proto\\u005F_":1}')).toBe('the key "__proto__" is not allowed')
    expect(refusal('{"__pr\\u006fto__":1}')).toBe('the key "__proto__" is not allowed')
    expect(parse('{"constructor":1,"prototype":2,"a":"__proto__"}')).toEqual(
      JSON.parse('{"constructor":1,"prototype":2,"a":"__proto__"}'),
    )
  })

  it('refuses bytes that are not UTF-8', () => {
    expect(() => parseJson(Buffer.from([0x22, 0xff, 0x22]), 64)).toThrow('the body is not UTF-8')
  })

  it('takes the last of two equal keys, as JSON.parse does', () => {
    expect(parse('{"a":1,"a":2}')).toEqual({ a: 2 })
  })

  it('accepts what JSON.parse accepts, and finds the fault in all else', () => {
    const piece = fc.constantFrom('{', '}', '[', ']', ',', ':', '"', '\\', '"a"', '"\\u00e9"', '1')
    const more = fc.constantFrom('-', '.5', 'e9', 'true', 'null', ' ', '\n', '\t', '0', '"k":', 'é')
    const text = fc.oneof(
      fc.array(fc.oneof(piece, more), { maxLength: 12 }).map((pieces) => pieces.join('')),
      fc.tuple(fc.json(), fc.nat(), piece).map(([json, at, extra]) => {
        const split = at % (json.length + 1)
        return json.slice(0, split) + extra + json.slice(split)
      }),
    )
    fc.assert(
      fc.property(text, (json) => {
        fc.pre(!json.includes('__proto__'))
        expect(outcome(() => parse(json))).toEqual(outcome(() => JSON.parse(json) as unknown))
        const fault = faultOf(json)
        // Up to the fault, the text is the beginning of something.
        expect(isBeginning(json.slice(0, fault))).toBe(true)
      }),
      { numRuns: 5_000 },
    )
  })
})
