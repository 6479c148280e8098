import { describe, expect, it } from 'vitest'
import type { Json } from '#core/kit/json.ts'
import { compiled } from './evaluate.ts'

describe('test', () => {
  it.each([
    [[], false],
    ['', false],
    ['0', true],
    [0, false],
    [[0], true],
    [null, false],
    [{}, true],
  ] as [Json, boolean][])('takes %j for %s', (value, truth) => {
    expect(compiled('$vars.value').test({ vars: { value } })).toBe(truth)
  })
})

describe('isConstant', () => {
  it.each([
    [{ add: [1, { mul: [2, 3] }] }, true],
    [{ map: [[1, 2], { add: [{ var: '' }, 1] }] }, true],
    ['$$text', true],
    ['$five', true],
    [{ add: [1, '$now'] }, false],
    [{ map: [[1, 2], '$now'] }, false],
  ] as [Json, boolean][])('of %j is %s', (source, isConstant) => {
    expect(compiled(source, { defines: { five: 5 } }).isConstant).toBe(isConstant)
  })

  it('means that the value is there without a scope', () => {
    expect(compiled({ map: [[1, 2], { add: [{ var: '' }, 1] }] }).evaluate({})).toEqual([2, 3])
  })
})

describe('results', () => {
  it.each([
    ['claude', ['claude']],
    [{ if: ['$vars.a', 'claude', 'openai'] }, ['claude', 'openai']],
    [{ if: ['$vars.a', 'claude', '$vars.b', 'openai'] }, ['claude', 'openai']],
    [{ '?:': ['$vars.a', { if: ['$vars.b', 'x', 'y'] }, 'x'] }, ['x', 'y']],
    ['$pick', ['claude', 'openai']],
    [{ default: [null, 'x'] }, ['x']],
    [{ cat: ['a', 'b'] }, ['ab']],
    ['$vars.upstream', undefined],
    [{ default: ['$vars.upstream', 'x'] }, undefined],
    [{ if: ['$vars.a', { cat: ['x', '$now'] }, 'y'] }, undefined],
    [{ merge: ['x'] }, undefined],
  ] as [Json, string[] | undefined][])('of %j are %j', (source, results) => {
    const defines = { pick: { if: ['$vars.a', 'claude', 'openai'] } }
    expect(compiled(source, { defines }).results()).toEqual(results)
  })
})

describe('trace', () => {
  const defines = { isClaude: { startsWith: ['$req.body.model', 'claude'] } }

  it('shows the value of each sub-expression that was reached, and where it stands', () => {
    const source = { if: ['$isClaude', 'claude', { cat: ['a', '$now'] }] }
    const scope = { req: { body: { model: 'claude-4' } }, now: 5 }
    expect(compiled(source, { defines }).trace(scope)).toEqual({
      path: [],
      source,
      value: 'claude',
      children: [
        {
          path: ['if', 0],
          source: '$isClaude',
          value: true,
          children: [
            {
              path: [],
              define: 'isClaude',
              source: { startsWith: ['$req.body.model', 'claude'] },
              value: true,
              children: [
                {
                  path: ['startsWith', 0],
                  define: 'isClaude',
                  source: '$req.body.model',
                  value: 'claude-4',
                  children: [],
                },
              ],
            },
          ],
        },
      ],
    })
  })

  it('shows what a constant was made of', () => {
    const { value, children } = compiled({ add: [1, { mul: [2, 3] }] }).trace({})
    expect(value).toBe(7)
    expect(children).toEqual([
      { path: ['add', 1], source: { mul: [2, 3] }, value: 6, children: [] },
    ])
  })

  it('shows each turn of a loop, up to a bound', () => {
    const rule = compiled({ map: ['$vars.list', { add: [{ var: '' }, 1] }] })
    const few = rule.trace({ vars: { list: [1, 2] } }).children
    expect(few.map(({ path, value }) => [path.join('.'), value])).toEqual([
      ['map.0', [1, 2]],
      ['map.1', 2],
      ['map.1', 3],
    ])
    const list = Array.from({ length: 5_000 }, () => 1)
    expect(rule.trace({ vars: { list } }).children.length).toBeLessThanOrEqual(1_000)
  })
})
