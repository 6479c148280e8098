import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { compile } from '#core/expressions/compile.ts'
import type { Json } from '#core/kit/json.ts'
import { evaluate, evaluateOver } from './evaluate.ts'

const INHERITED = ['toString', 'valueOf', 'hasOwnProperty', 'isPrototypeOf', 'indexOf', 'concat']
const FORBIDDEN = ['__proto__', 'constructor', 'prototype']
const hostile = JSON.parse(
  '{"__proto__":{"polluted":1},"constructor":"c","toString":"t","valueOf":1,"indexOf":2,"length":"l"}',
) as Json

describe('names on a prototype', () => {
  it.each(INHERITED)('%s reads nothing where it is inherited', (name) => {
    for (const data of [{}, [], 'text', 5, true, null] as Json[]) {
      expect(evaluateOver(data, { var: name })).toBe(null)
      expect(evaluateOver(data, { missing: [name] })).toEqual([name])
      expect(evaluate({ path: ['$vars.data', name] }, { data })).toBe(null)
      expect(evaluate({ path: ['$vars.data', { cat: [name] }] }, { data })).toBe(null)
      expect(evaluate(`$vars.data.${name}`, { data })).toBe(null)
    }
  })

  it.each(FORBIDDEN)('%s is refused at load in every form of path', (name) => {
    for (const source of [
      `$vars.${name}`,
      `$req.body.a.${name}.b`,
      `$req.headers.${name}`,
      { var: `vars.${name}` },
      { missing: [`vars.${name}`] },
      { map: ['$vars.list', { var: name }] },
      { path: ['$vars', `a.${name}`] },
    ] as Json[]) {
      const { problems } = compile(source, { scope: 'request' })
      expect(problems?.map(({ message }) => message)).toEqual([`${name} is not allowed in a path`])
    }
  })

  it.each(FORBIDDEN)('%s reads nothing where the path is computed', (name) => {
    expect(evaluate({ path: ['$vars.data', '$vars.name'] }, { data: hostile, name })).toBe(null)
    expect(evaluateOver(hostile, { var: { cat: [name] } })).toBe(null)
    expect(evaluateOver(hostile, { missing: [{ cat: [name] }] })).toEqual([name])
  })

  it('own keys that are called like methods are read as data, and never called', () => {
    expect(evaluateOver(hostile, { var: 'toString' })).toBe('t')
    expect(evaluateOver(hostile, { cat: [{ var: '' }, '!'] })).toBe('[object Object]!')
    expect(evaluateOver(hostile, { '==': [{ var: '' }, 't'] })).toBe(false)
    expect(evaluateOver(hostile, { '<': [{ var: '' }, 1] })).toBe(false)
    expect(evaluateOver(hostile, { in: ['t', { var: '' }] })).toBe(false)
    expect(evaluateOver(hostile, { '+': [{ var: '' }, 1] })).toBe(NaN)
    expect(evaluateOver(hostile, { substr: [{ var: '' }, 0, 7] })).toBe('[object')
  })

  it('a map in a literal keeps a key called __proto__ as a key', () => {
    const value = evaluate({ literal: hostile }) as object
    expect(Object.keys(value)).toEqual(Object.keys(hostile as object))
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype)
  })

  it('an operator of that name is unknown', () => {
    for (const name of [...INHERITED, ...FORBIDDEN]) {
      const source = JSON.parse(`{${JSON.stringify(name)}:[1]}`) as Json
      expect(compile(source, { scope: 'request' }).problems![0]!.message).toBe(
        `unknown operator ${JSON.stringify(name)}`,
      )
    }
  })
})

describe('any JSON as an expression', () => {
  it('is compiled or refused with problems, and never throws', () => {
    const names = [
      'var',
      'missing',
      'map',
      'if',
      'eq',
      'cat',
      'literal',
      'matches',
      'path',
      'bucket',
    ]
    const json = fc.letrec<{ json: Json }>((tie) => ({
      json: fc.oneof(
        { maxDepth: 4 },
        fc.constantFrom<Json>(null, 1, true, '$req.body', '$now', 'a.b', '$x', '$vars.a[0]', '('),
        fc.string({ maxLength: 6 }),
        fc.array(tie('json'), { maxLength: 3 }),
        fc.dictionary(fc.constantFrom(...names, 'x'), tie('json'), { maxKeys: 2 }),
      ),
    })).json
    let compiled = 0
    fc.assert(
      fc.property(json, (source) => {
        const { expression, problems } = compile(source, { scope: 'request' })
        expression?.evaluate({ vars: hostile, req: { body: hostile } })
        if (expression) compiled++
        return expression !== undefined || problems.length > 0
      }),
      { numRuns: 3_000 },
    )
    expect(compiled).toBeGreaterThan(300)
  })
})
