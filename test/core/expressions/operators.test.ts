import { describe, expect, it } from 'vitest'
import { ExpressionError } from '#core/expressions/compile.ts'
import type { Json } from '#core/kit/json.ts'
import { compiled, evaluate } from './evaluate.ts'

describe('words', () => {
  it.each([
    [{ eq: [1, '1'] }, false],
    [{ ne: [1, '1'] }, true],
    [{ gt: [2, 1] }, true],
    [{ gte: [2, 2] }, true],
    [{ lt: [1, 2, 3] }, true],
    [{ lte: [1, 1] }, true],
    [{ not: [[]] }, true],
    [{ add: [1, 2] }, 3],
    [{ sub: [3, 1] }, 2],
    [{ mul: [2, 3] }, 6],
    [{ div: [6, 3] }, 2],
    [{ mod: [7, 4] }, 3],
  ] as [Json, Json][])('%j is %j', (source, value) => {
    expect(evaluate(source)).toBe(value)
  })
})

describe('operators beside those of JsonLogic', () => {
  it.each([
    [{ default: ['$vars.none', null, 0, 5] }, 0],
    [{ default: ['$vars.none', '$vars.none'] }, null],
    [{ startsWith: ['claude-4', 'claude'] }, true],
    [{ startsWith: [null, ''] }, false],
    [{ startsWith: [['claude'], 'claude'] }, false],
    [{ startsWith: [404, '4'] }, true],
    [{ endsWith: ['report.pdf', '.pdf'] }, true],
    [{ endsWith: ['report.pdf', '.doc'] }, false],
    [{ lower: 'ÄB' }, 'äb'],
    [{ upper: 'äb' }, 'ÄB'],
    [{ lower: '$vars.none' }, null],
    [{ lower: [['A']] }, null],
    [{ length: 'four' }, 4],
    [{ length: [[1, 2]] }, 2],
    [{ length: { literal: { a: 1, b: 2 } } }, 2],
    [{ length: '$vars.none' }, 0],
    [{ matches: ['claude-4', '^claude-\\d$'] }, true],
    [{ matches: ['please IGNORE this', '(?i)ignore'] }, true],
    [{ matches: [null, '.*'] }, false],
    [{ matches: [['a'], 'a'] }, false],
    [{ matches: [12, '^\\d+$'] }, true],
    [{ cidr: ['10.1.2.3', '10.0.0.0/8'] }, true],
    [{ cidr: ['::ffff:10.1.2.3', ['192.168.0.0/16', '10.0.0.0/8']] }, true],
    [{ cidr: ['11.1.2.3', ['10.0.0.0/8']] }, false],
    [{ cidr: ['fd00::1', ['fd00::/8']] }, true],
    [{ cidr: ['nonsense', ['10.0.0.0/8']] }, false],
    [{ cidr: [null, ['10.0.0.0/8']] }, false],
    [{ path: ['$vars', 'a.0.b'] }, 'deep'],
    [{ path: ['$vars', { cat: ['a', '[0].b'] }] }, 'deep'],
    [{ path: ['$vars.a', 0] }, { b: 'deep' }],
    [{ path: ['$vars', '$vars.none'] }, null],
    [{ literal: { eq: '$now', not: 1 } }, { eq: '$now', not: 1 }],
  ] as [Json, Json][])('%j is %j', (source, value) => {
    expect(evaluate(source, { a: [{ b: 'deep' }] })).toEqual(value)
  })

  it('matches a pattern that would hang a backtracking engine in linear time', () => {
    const rule = compiled({ matches: ['$vars.text', '^(a+)+$'] })
    const text = 'a'.repeat(100_000)
    const start = process.cpuUsage()
    expect(rule.evaluate({ vars: { text: `${text}!` } })).toBe(false)
    expect(process.cpuUsage(start).user).toBeLessThan(1_000_000)
  })

  it('fails rather than to look at a part of a text that is too long to match', () => {
    const rule = compiled({ matches: ['$vars.text', 'secret'] })
    expect(() => rule.evaluate({ vars: { text: ' '.repeat(262_145) } })).toThrow(
      new ExpressionError('matches takes texts of up to 262144 characters, got 262145'),
    )
  })

  it('gives out a literal that nobody can change', () => {
    const value = evaluate({ literal: { list: [1] } }) as { list: number[] }
    expect(() => value.list.push(2)).toThrow(TypeError)
  })
})

describe('bucket', () => {
  // Golden: another value here would move the users of every canary.
  it.each([
    ['', 100, 23],
    ['ann', 100, 33],
    ['user-1', 100, 16],
    ['żółć 🦥', 1000, 645],
    [17, 10, 8],
    [null, 100, 23],
  ] as [Json, number, number][])('puts %j of %d into %d, for good', (value, count, bucket) => {
    expect(evaluate({ bucket: ['$vars.value', count] }, { value })).toBe(bucket)
  })

  it('is even for ids that differ in little', () => {
    const rule = compiled({ bucket: ['$vars.id', 100] })
    const counts = Array.from({ length: 100 }, () => 0)
    for (let id = 0; id < 50_000; id++) {
      counts[rule.evaluate({ vars: { id: `user-${id}` } }) as number]!++
    }
    const chiSquare = counts.reduce((sum, count) => sum + (count - 500) ** 2 / 500, 0)
    // 99 degrees of freedom: one in a thousand random spreads is above 149.
    expect(chiSquare).toBeLessThan(149)
  })
})

describe('an operator that somebody adds', () => {
  const byModel = {
    arity: [0, 1],
    reads: ['request.model'],
    results: ['claude', 'local'],
    scopes: ['request'],
    evaluate: (args: readonly Json[], scope: object) => [args, Object.keys(scope)] as Json,
  } as const

  it('gets its arguments and the scope, and tells what it reads and gives', () => {
    const rule = compiled({ byModel: [{ add: [1, 1] }] }, { operators: { byModel } })
    expect(rule.evaluate({ vars: {} })).toEqual([[2], ['vars']])
    expect([...rule.reads]).toEqual(['request.model'])
    expect(rule.results()).toEqual(['claude', 'local'])
    expect(rule.isConstant).toBe(false)
  })

  it('cannot take the place of one of the language', () => {
    const eq = { arity: [2, 2], evaluate: () => 'mine' } as const
    expect(compiled({ eq: [1, 1] }, { operators: { eq } }).evaluate({})).toBe(true)
  })
})
