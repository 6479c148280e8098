import * as fc from 'fast-check'
import type { Arbitrary } from 'fast-check'
import type { Json } from '#core/kit/json.ts'

/**
 * Rules and data for the comparison with json-logic-js. Left out is what we refuse or read differently, on purpose:
 *
 * - a wrong number of arguments, unknown operators, `log`, maps of several keys: errors at load
 * - names on a prototype (`constructor`, `toString`, …), as paths and as keys of the data: we read own properties
 *   and never call a method of the data; the oracle walks prototypes and calls what it finds
 * - from the roots, paths that are computed, empty, or lead to no root: errors at load
 * - keys of `missing` that are no texts: the oracle evaluates them as rules, we never evaluate data
 * - `a[0]` in a path, and texts that begin with `$`: additions of ours
 */
export function caseOf(depth: number): Arbitrary<{ rule: Json; vars: Json }> {
  return fc.record({ rule: expression(depth, false), vars: data })
}

const NAMES = ['a', 'b', 'c', '0', '1'] as const

const scalar: Arbitrary<Json> = fc.oneof(
  fc.constantFrom<Json>(null, true, false, 0, 1, -1, 2.5, '', '0', '1', 'a', 'ab', '-1', '2x', ' '),
  fc.integer({ min: -20, max: 20 }),
  fc.string({ maxLength: 4 }).map((text) => text.replace(/^\$+/, '')),
)

const anyJson: Arbitrary<Json> = fc.letrec<{ json: Json }>((tie) => ({
  json: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    scalar,
    fc.array(tie('json'), { maxLength: 4 }),
    fc.dictionary(fc.constantFrom(...NAMES), tie('json'), { maxKeys: 3, noNullPrototype: true }),
  ),
})).json

const data = fc.record(
  {
    a: anyJson,
    b: fc.array(anyJson, { maxLength: 5 }),
    c: fc.array(fc.integer({ min: -5, max: 9 }), { maxLength: 5 }),
  },
  { requiredKeys: ['b'], noNullPrototype: true },
) as Arbitrary<Json>

const name = fc.constantFrom(...NAMES, 'length')

const rootPath = fc.oneof(
  fc.array(name, { maxLength: 3 }).map((names) => ['vars', ...names].join('.')),
  fc.constantFrom('vars.b', 'vars.c', 'vars.b.0', 'vars.a.a'),
)

const itemPath = fc.oneof(
  fc.constantFrom<Json>('', null, 0, 1, 'current', 'accumulator', 'current.a', 'accumulator.0'),
  fc.array(name, { minLength: 1, maxLength: 2 }).map((names) => names.join('.')),
)

const memo = new Map<string, Arbitrary<Json>>()

function expression(depth: number, isItem: boolean): Arbitrary<Json> {
  const key = `${depth} ${isItem}`
  const made = memo.get(key) ?? makeExpression(depth, isItem)
  memo.set(key, made)
  return made
}

function makeExpression(depth: number, isItem: boolean): Arbitrary<Json> {
  const path: Arbitrary<Json> = isItem ? itemPath : rootPath
  const variable: Arbitrary<Json> = path.map((text) => ({ var: text }))
  if (depth === 0) return fc.oneof(scalar, variable, variable)
  const below = expression(depth - 1, isItem)
  const perItem = expression(depth - 1, true)
  const call = (names: readonly string[], least: number, most: number): Arbitrary<Json> =>
    fc
      .tuple(fc.constantFrom(...names), fc.array(below, { minLength: least, maxLength: most }))
      .map(([operator, args]) => ({ [operator]: args }))
  const list: Arbitrary<Json> = fc.oneof(
    { arbitrary: variable, weight: 3 },
    fc.array(below, { maxLength: 3 }),
    fc.constantFrom<Json>({ var: isItem ? '' : 'vars.b' }, { var: isItem ? 'a' : 'vars.c' }),
  )
  const overItems: Arbitrary<Json> = fc
    .tuple(fc.constantFrom('map', 'filter', 'all', 'some', 'none'), list, perItem)
    .map(([operator, items, body]) => ({ [operator]: [items, body] }))
  const reduce: Arbitrary<Json> = fc
    .tuple(list, perItem, fc.option(below))
    .map(([items, body, initial]) => ({
      reduce: initial === null ? [items, body] : [items, body, initial],
    }))
  const texts = fc.array(isItem ? itemPath.map(String) : rootPath, { maxLength: 3 })
  const missing: Arbitrary<Json> = fc.oneof(
    texts.map((keys) => ({ missing: keys })),
    fc.tuple(below, texts, texts).map(([condition, some, others]) => ({
      missing: [{ if: [condition, some, { merge: [others, 'vars'] }] }],
    })),
    fc.tuple(below, texts).map(([need, keys]) => ({ missing_some: [need, keys] })),
  )
  const fallback: Arbitrary<Json> = fc
    .tuple(path, below)
    .map(([text, other]) => ({ var: [text, other] }))
  const either: Arbitrary<Json> = fc
    .tuple(below, path, path)
    .map(([condition, one, other]) => ({ var: { if: [condition, one, other] } }))
  return fc.oneof(
    scalar,
    variable,
    fallback,
    either,
    call(['==', '===', '!=', '!==', '>', '>=', '/', '%', 'in'], 2, 2),
    call(['<', '<=', 'substr'], 2, 3),
    call(['!', '!!'], 1, 1),
    call(['-'], 1, 2),
    call(['and', 'or', '+', '*', 'min', 'max', 'cat'], 1, 3),
    call(['if', '?:', 'merge'], 0, 4),
    overItems,
    reduce,
    missing,
    fc.array(below, { maxLength: 3 }) as Arbitrary<Json>,
  )
}
