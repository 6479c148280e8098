import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { compile, LIMITS } from '#core/expressions/compile.ts'
import { OPERATORS, PATH_OPERATORS, SYNONYMS } from '#core/expressions/operators.ts'
import { FIELDS, ROOTS } from '#core/expressions/roots.ts'
import { parse } from 'yaml'
import type { Json } from '#core/kit/json.ts'

const guide = readFileSync(new URL('../../../core/expressions/README.md', import.meta.url), 'utf8')

/** Words in backticks in the columns of the table that begins with `| operator`. */
function documented(text: string): Set<string> {
  const table = /^\| operator[^]*?\n\n/m.exec(text)![0]
  const cells = table
    .split('\n')
    .slice(2)
    .map((row) => row.split('|').slice(1, 3).join(' '))
  return new Set([...cells.join(' ').matchAll(/`([^`]+)`/g)].map(([, name]) => name!))
}

describe('the guide', () => {
  const known = new Set([...OPERATORS.keys(), ...PATH_OPERATORS, ...SYNONYMS.keys()])

  it('has each operator, and none that does not exist', () => {
    expect([...documented(guide)].sort()).toEqual([...known].sort())
  })

  it('would be caught with one left out', () => {
    const without = guide.replace('| `bucket` |', '| |')
    expect(documented(without).has('bucket')).toBe(false)
  })

  it.each([...new Set(Object.values(ROOTS).flat())])('has the root %s with its fields', (root) => {
    const row = guide.split('\n').find((line) => line.startsWith(`| \`$${root}\``))
    expect(row).toContain([...(FIELDS.get(root)?.keys() ?? [])].join(' '))
  })

  it('states the limits that hold', () => {
    for (const limit of [
      LIMITS.nodes,
      LIMITS.depth,
      LIMITS.steps,
      LIMITS.items,
      LIMITS.matchedText,
    ]) {
      expect(guide).toContain(limit.toLocaleString('en'))
    }
    expect(guide).toContain(`${LIMITS.text / 1024 / 1024} Mi characters`)
  })

  it('shows examples that compile', () => {
    const blocks = [...guide.matchAll(/```yaml\n([^]*?)```/g)].map(
      ([, yaml]) => parse(yaml!) as Json,
    )
    expect(blocks.length).toBe(2)
    const [options, some] = blocks
    for (const source of [...Object.values(options as Record<string, Json>), some!]) {
      expect(compile(source, { scope: 'request' }).problems).toBeUndefined()
    }
  })
})
