import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { stringify } from 'yaml'
import type { Json } from '#core/kit/json.ts'
import type { Positions } from '#core/config/tree.ts'
import { printed, readText } from './workspace.ts'

const FRAGMENTS = (
  'a|b: |: |- |? |,| |"|\'|{|}|[|]|&a |*a|!|!!str |>|#| #|%|@|`|<<: |${|${A}|${A:-|$${|${file:|' +
  '__proto__: |007|.nan|~|\\|\\u|include: [|routes:\n|\n|\n  |\n\t|\r\n|---\n|...\n|: >-\n|' +
  '\uFEFF|\u0000|\u2028|\ud800|😀'
)
  .split('|')
  .concat('|', '|-\n')

const yamlish = fc
  .array(fc.oneof(fc.constantFrom(...FRAGMENTS), fc.string({ maxLength: 5 })), { maxLength: 60 })
  .map((pieces) => pieces.join(''))

/** Trees that a config can hold: no `${`, no number that is inexact, no key that reaches a prototype. */
const json = fc
  .jsonValue({ maxDepth: 5, stringUnit: 'binary' })
  .map((value) => JSON.parse(JSON.stringify(value)) as Json)
  .filter((value) => {
    const text = JSON.stringify(value)
    return !/\$\{|\d{17}|__proto__|"constructor"|"prototype"|\d{16}[,\]}]/.test(text)
  })

// oxlint-disable-next-line no-control-regex
const REFUSED = /[\u0000-\u0008\u000B-\u001F]|<<:/

describe('readConfig under fuzz', () => {
  it('never throws, and places each problem inside the text', async () => {
    await fc.assert(
      fc.asyncProperty(yamlish, async (text) => {
        const { problems } = await readText(text, { A: '1' })
        const lines = text.split('\n')
        for (const { position, message } of problems) {
          expect(position.line).toBeLessThanOrEqual(lines.length)
          expect(position.column).toBeGreaterThanOrEqual(1)
          expect(position.column).toBeLessThanOrEqual(lines[position.line - 1]!.length + 2)
          expect(message).toMatch(/^\S/)
        }
      }),
      { numRuns: 3_000 },
    )
  }, 30_000)

  it('reads any tree that JSON prints, and knows where all of it stands', async () => {
    await fc.assert(
      fc.asyncProperty(json, fc.constantFrom(0, 2, '\t'), async (value, indent) => {
        const text = JSON.stringify({ root: value }, undefined, indent)
        const read = await readText(text)
        expect(printed(read)).toEqual([])
        expect(read.tree).toEqual({ root: value })
        checkPlaces(read.tree, read.positions, text.split('\n'))
      }),
      { numRuns: 500 },
    )
  }, 30_000)

  it('reads any tree that YAML prints', async () => {
    await fc.assert(
      fc.asyncProperty(json, async (value) => {
        const text = stringify({ root: value }, { aliasDuplicateObjects: false })
        // What YAML itself prints with a byte as it is, or a key unquoted, is refused for good reasons.
        fc.pre(!REFUSED.test(text))
        const read = await readText(text)
        expect(printed(read)).toEqual([])
        expect(read.tree).toEqual({ root: value })
      }),
      { numRuns: 500 },
    )
  }, 30_000)

  it('fills in any text without a change to it or to what stands around it', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.string({ unit: 'binary' }),
        fc.string({ unit: 'binary' }),
        async (a, b) => {
          const { tree, problems } = await readText('x: "${A}"\ny: ["<${A}|${B}>"]\n', {
            A: a,
            B: b,
          })
          expect(problems).toEqual([])
          expect(tree).toEqual({ x: a, y: [`<${a}|${b}>`] })
        },
      ),
      { numRuns: 300 },
    )
  })
})

/** What stands at each position is how JSON prints the key or the beginning of the value. */
function checkPlaces(container: object, positions: Positions, lines: readonly string[]): void {
  for (const [name, value] of Object.entries(container)) {
    const key = Array.isArray(container) ? Number(name) : name
    const origin = positions.of(container, key)!
    const at = ({ line, column }: typeof origin.key) => lines[line - 1]!.slice(column - 1)
    const isNested = typeof value === 'object' && value !== null
    const begins = isNested ? (Array.isArray(value) ? '[' : '{') : JSON.stringify(value)
    expect(at(origin.value).startsWith(begins)).toBe(true)
    const named = typeof key === 'string' ? JSON.stringify(key) : begins
    expect(at(origin.key).startsWith(named)).toBe(true)
    if (isNested) checkPlaces(value as object, positions, lines)
  }
}
