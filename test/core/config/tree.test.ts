import { describe, expect, it } from 'vitest'
import type { JsonObject } from '#core/kit/json.ts'
import { Positions } from '#core/config/tree.ts'
import { readText } from './workspace.ts'

const place = ({ line, column }: { line: number; column: number }) => `${line}:${column}`

describe('Positions', () => {
  it('locates keys and values, and the last known parent of what is missing', async () => {
    const { tree, positions } = await readText('a:\n  b: [1, { c: x }]\n')

    expect(place(positions.locate(tree, ['a', 'b'], 'key'))).toBe('2:3')
    expect(place(positions.locate(tree, ['a', 'b']))).toBe('2:6')
    expect(place(positions.locate(tree, ['a', 'b', 1, 'c']))).toBe('2:15')
    expect(place(positions.locate(tree, ['a', 'b', 7, 'c']))).toBe('2:6')
    expect(place(positions.locate(tree, ['a', 'b', 7, 'c'], 'key'))).toBe('2:6')
    expect(place(positions.locate(tree, ['nothing']))).toBe('1:1')
    expect(place(positions.locate(tree, ['a', 'b', 0, 'deeper']))).toBe('2:7')
  })

  it('points at the key where no value was written', async () => {
    const { tree, positions } = await readText('a:\n  b:\n  c: 1\n')
    expect(place(positions.locate(tree, ['a', 'b']))).toBe('2:3')
  })

  it('keeps all positions in a deep copy that shares nothing', async () => {
    const { tree, positions } = await readText('a: { b: [x, y] }\n')
    const copy = positions.clone(tree)

    expect(copy).toEqual(tree)
    expect(copy['a']).not.toBe(tree['a'])
    expect(place(positions.locate(copy, ['a', 'b', 1]))).toBe('1:13')
  })

  it('merges maps, replaces lists and scalars, and removes what is null', async () => {
    const { tree, positions } = await readText(
      'base: { limit: { a: 1, b: 2 }, list: [1, 2], gone: 1 }\n' +
        'over: { limit: { b: 3 }, list: [9], gone: null, added: { y: 1, z: null }, never: null }\n',
    )
    const before = structuredClone(tree)
    const merged = positions.merge(tree['base'] as JsonObject, tree['over'] as JsonObject)

    expect(merged).toEqual({ limit: { a: 1, b: 3 }, list: [9], added: { y: 1 } })
    expect(place(positions.locate(merged, ['limit', 'a']))).toBe('1:21')
    expect(place(positions.locate(merged, ['limit', 'b']))).toBe('2:21')
    expect(place(positions.locate(merged, ['list', 0]))).toBe('2:33')
    expect(place(positions.locate(merged, ['limit'], 'key'))).toBe('1:9')
    expect(place(positions.locate(merged, ['added', 'y']))).toBe('2:61')
    expect(positions.of(merged, 'gone')).toBeUndefined()
    expect(tree).toEqual(before)
  })

  it('knows which values stand in the file and which came from outside', async () => {
    const { tree, positions } = await readText(
      'plain: sk-1\nenv: "x${KEY}"\nfallback: "${NONE:-sk-2}"\nnumber: ${DIGITS}\n',
      { KEY: 'secret', DIGITS: '0.50' },
    )

    expect(positions.isLiteral(tree, 'plain')).toBe(true)
    expect(positions.isLiteral(tree, 'env')).toBe(false)
    expect(positions.isLiteral(tree, 'fallback')).toBe(true)
    expect(positions.isLiteral(tree, 'missing')).toBe(true)
    expect(positions.of(tree, 'env')?.parts).toEqual([
      { from: 'text', text: 'x' },
      { from: 'env', text: 'secret', name: 'KEY' },
    ])
    expect(tree['number']).toBe(0.5)
    expect(positions.of(tree, 'number')?.parts?.[0]?.text).toBe('0.50')
  })

  it('carries an origin to a hand-made copy', () => {
    const position = { file: 'x', line: 5, column: 1 }
    const origin = { key: position, value: position }
    const positions = new Positions({ file: 'x', line: 1, column: 1 })
    const [from, to] = [{ a: 1 }, { z: 1 }]
    positions.set(from, 'a', origin)

    positions.carry(from, 'a', to, 'z')
    positions.carry(from, 'unknown', to, 'y')

    expect(positions.of(to, 'z')).toEqual(origin)
    expect(positions.of(to, 'y')).toBeUndefined()
  })
})
