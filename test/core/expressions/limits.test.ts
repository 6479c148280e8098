import { describe, expect, it } from 'vitest'
import { compile, ExpressionError } from '#core/expressions/compile.ts'
import type { Json } from '#core/kit/json.ts'
import { compiled, evaluate } from './evaluate.ts'

const list = (length: number, item: Json = 1): Json[] => Array.from({ length }, () => item)

function nested(depth: number): Json {
  let source: Json = true
  for (let at = 0; at < depth; at++) source = { not: [source] }
  return source
}

describe('at load', () => {
  it('takes 32 levels and refuses the 33rd, once', () => {
    expect(compiled(nested(32)).evaluate({})).toBe(true)
    const { problems } = compile(nested(40), { scope: 'request' })
    expect(problems!.map(({ message }) => message)).toEqual(['nested deeper than 32'])
  })

  it('takes 500 operators, and long lists of plain values', () => {
    compiled({ and: list(499, { not: [false] }) })
    compiled({ in: ['$vars.name', list(5_000, 'x')] })
    const { problems } = compile({ and: list(600, { not: [false] }) }, { scope: 'request' })
    expect(problems!.map(({ message }) => message)).toEqual([
      'more than 500 operators and lists in one expression',
    ])
  })

  it('counts a define at each use, so that doubling them does not explode', () => {
    const defines: Record<string, Json> = { d0: '$now' }
    for (let at = 1; at < 30; at++) defines[`d${at}`] = [`$d${at - 1}`, `$d${at - 1}`]
    const { problems } = compile('$d29', { scope: 'request', defines })
    expect(problems!.length).toBeGreaterThan(0)
    expect(problems!.length).toBeLessThan(10)
  })

  it('reads a value that contains itself to its limits and no further', () => {
    const loop: Json[] = []
    loop.push(loop, loop)
    expect(compile(loop, { scope: 'request' }).problems!.length).toBeGreaterThan(0)
    expect(compile({ literal: loop }, { scope: 'request' }).problems!.length).toBe(1)
  })

  it('tells of a constant that costs too much', () => {
    const bomb = {
      reduce: [list(40), { cat: [{ var: 'accumulator' }, { var: 'accumulator' }] }, 'a'],
    }
    expect(compile(bomb, { scope: 'request' }).problems).toEqual([
      { path: [], message: 'the expression needs more than 500000 steps' },
    ])
  })
})

describe('while it runs', () => {
  const fails = (source: Json, vars: Json): string => {
    const before = process.memoryUsage().rss
    const start = process.cpuUsage()
    let message = 'nothing was thrown'
    try {
      evaluate(source, vars)
    } catch (error) {
      expect(error).toBeInstanceOf(ExpressionError)
      message = (error as Error).message
    }
    expect(process.cpuUsage(start).user).toBeLessThan(2_000_000)
    expect(process.memoryUsage().rss - before).toBeLessThan(300 * 1024 * 1024)
    return message
  }
  const doubled = (join: Json): Json => ({ reduce: ['$vars.list', join, 'a'] })
  const twice = [{ var: 'accumulator' }, { var: 'accumulator' }]

  it('ends a text that doubles with each step', () => {
    const message = fails(doubled({ cat: twice }), { list: list(27) })
    expect(message).toMatch(/more than 500000 steps|grew past/)
  })

  it('ends a text that grows past 16 Mi characters', () => {
    const big = 'x'.repeat(9 * 1024 * 1024)
    expect(fails({ cat: ['$vars.big', '$vars.big'] }, { big })).toBe(
      'a text grew past 16777216 characters',
    )
  })

  it('ends a list that doubles with each step', () => {
    const message = fails(doubled({ merge: twice }), { list: list(27) })
    expect(message).toBe('a list grew past 100000 items')
  })

  it('ends a value that repeats its parts', () => {
    expect(fails(doubled(twice), { list: list(27) })).toBe('a value has more than 1000000 parts')
    const prompt = 'x'.repeat(1024 * 1024)
    expect(fails({ map: ['$vars.list', '$vars.prompt'] }, { list: list(100), prompt })).toBe(
      'a value has more than 67108864 characters',
    )
  })

  it('ends a value that is nested without end', () => {
    const nest = { reduce: ['$vars.list', [{ var: 'accumulator' }], 0] }
    expect(fails(nest, { list: list(50_000) })).toBe('a value is nested deeper than 100')
    expect(fails({ cat: [nest] }, { list: list(50_000) })).toBe('a list is nested deeper than 100')
  })

  it('ends loops inside of loops', () => {
    const loops = { all: ['$vars.list', { all: ['$vars.list', { var: '' }] }] }
    expect(fails(loops, { list: list(2_000) })).toBe('the expression needs more than 500000 steps')
    expect(evaluate(loops, { list: list(200) })).toBe(true)
  })

  it('counts what comparing and searching long texts costs', () => {
    const text = 'x'.repeat(1024 * 1024)
    const other = `${text.slice(1)}x`
    for (const source of [
      { all: ['$vars.list', { eq: ['$vars.text', '$vars.other'] }] },
      { none: ['$vars.list', { in: ['y', '$vars.text'] }] },
      { all: ['$vars.list', { eq: [{ lower: '$vars.text' }, '$vars.other'] }] },
    ]) {
      expect(fails(source, { list: list(10_000), text, other })).toMatch(/steps/)
    }
  })

  it('starts counting afresh with each evaluation', () => {
    const rule = compiled({ all: ['$vars.list', true] })
    for (let run = 0; run < 20; run++) {
      expect(rule.evaluate({ vars: { list: list(50_000) } })).toBe(true)
    }
  })
})
