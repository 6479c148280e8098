import { describe, expect, it } from 'vitest'
import type { ConfigTree } from '#core/config/tree.ts'
import { printed, readText } from './workspace.ts'

const repeat = (count: number, line: (index: number) => string) =>
  Array.from({ length: count }, (_, index) => line(index)).join('')

/** Computing time of this thread in milliseconds: waiting for others on the machine does not count. */
async function timed(read: () => Promise<ConfigTree>) {
  const before = process.threadCpuUsage()
  const result = await read()
  const { user, system } = process.threadCpuUsage(before)
  return { result, ms: (user + system) / 1_000 }
}

/** The best of three: the first runs cold, and others on the machine take its caches. */
async function bestOf(read: () => Promise<ConfigTree>) {
  const runs = [await timed(read), await timed(read), await timed(read)]
  return { result: runs[0]!.result, ms: Math.min(...runs.map(({ ms }) => ms)) }
}

describe('a megabyte', () => {
  it('of 40,000 keys is read in under a second', async () => {
    const text = repeat(40_000, (index) => `key${index}: value no ${index}\n`)
    expect(text.length).toBeGreaterThan(900_000)
    const { result, ms } = await bestOf(() => readText(text))

    expect(result.problems).toEqual([])
    expect(Object.keys(result.tree)).toHaveLength(40_000)
    expect(result.positions.locate(result.tree, ['key39999']).line).toBe(40_000)
    expect(ms).toBeLessThan(1_000)
  })

  it('of 40,000 times the same key is refused in under a second', async () => {
    const { result, ms } = await bestOf(() =>
      readText('key: a value of length 25\n'.repeat(40_000)),
    )

    expect(printed(result)[0]).toBe('gateway.yaml:2:1 key: duplicate key, first written on line 1')
    expect(printed(result).at(-1)).toBe('gateway.yaml:201:1 39,799 more problems in this file')
    expect(ms).toBeLessThan(1_000)
  })
})

describe('a quarter of a megabyte', () => {
  it.each([
    ['a list of items', `a:\n${repeat(30_000, (index) => `- ${index}\n`)}`],
    ['opening brackets', '['.repeat(250_000)],
    ['opening maps', '{a: '.repeat(62_000)],
    ['list marks', '- '.repeat(125_000)],
    ['question marks', '? '.repeat(125_000)],
    ['commas', `[${','.repeat(250_000)}]`],
    ['closing brackets', ']'.repeat(250_000)],
    ['documents', '---\n'.repeat(62_000)],
    ['tags', '!a '.repeat(83_000)],
    ['anchors', 'a:\n' + '- &a b\n'.repeat(35_000)],
    ['aliases', `a: [&a 1, ${'*a, '.repeat(62_000)}]`],
    ['quotes without end', 'a: "x\n'.repeat(40_000)],
    ['empty lines', '\n'.repeat(250_000)],
    ['one long word', 'a'.repeat(250_000)],
    ['one long block', `a: |\n${'  line\n'.repeat(35_000)}`],
    ['malformed interpolations', `a:\n${'- ${A\n'.repeat(40_000)}`],
    ['interpolations in one text', `a: "${'${A}'.repeat(62_000)}"`],
  ])('of %s is read or refused in no time', async (_what, text) => {
    const { ms } = await timed(() => readText(text, { A: 'x' }))
    expect(ms).toBeLessThan(2_000)
  })
})

describe('limits', () => {
  it('refuses more words and marks than a config ever has', async () => {
    expect(printed(await readText(`a: [${'0,'.repeat(500_000)}]`))).toEqual([
      'gateway.yaml:1:400001 more than 600,000 words and marks\n  hint: use include',
    ])
  })

  it('takes a megabyte and refuses one byte more, naming both numbers', async () => {
    const [fits, over] = [1_048_576, 1_048_577].map((size) => `#${'x'.repeat(size - 6)}\na: 1`)

    expect((await readText(fits!)).problems).toEqual([])
    expect(printed(await readText(over!))).toEqual([
      'gateway.yaml:1:1 cannot read the config: ' +
        'it has 1,048,577 characters, and at most 1,048,576 are accepted',
    ])
  })

  it('takes 64 levels and refuses one more', async () => {
    const nested = (levels: number) => '['.repeat(levels) + ']'.repeat(levels)

    expect((await readText(`a: ${nested(63)}`)).problems).toEqual([])
    expect(printed(await readText(`a: ${nested(64)}`))).toEqual([
      'gateway.yaml:1:67 nested deeper than 64 levels',
    ])
    const lines = repeat(65, (index) => `${' '.repeat(index)}a:\n`)
    expect(printed(await readText(lines))[0]).toMatch(/nested deeper than 64 levels$/)
  })

  it('takes 50 aliases and refuses one more', async () => {
    const aliases = (count: number) => `a: [&a 1${', *a'.repeat(count)}]`

    expect((await readText(aliases(50))).problems).toEqual([])
    expect(printed(await readText(aliases(52)))).toEqual([
      'gateway.yaml:1:211 a[51]: more than 50 aliases in one file\n' +
        '  hint: use pipelines with use, or include',
    ])
  })

  it('defuses aliases of aliases', async () => {
    const wide = repeat(9, (at) => `a${at + 1}: &a${at + 1} [${`*a${at}, `.repeat(5)}]\n`)
    const { result, ms } = await timed(() => readText(`a0: &a0 [1, 2, 3, 4, 5, 6]\n${wide}`))

    expect(printed(result)[0]).toMatch(/aliases stand for more than 100,000 values$/)
    expect(ms).toBeLessThan(1_000)
    expect(JSON.stringify(result.tree).length).toBeLessThan(1_000_000)
  })

  it('counts the levels of what an alias stands for', async () => {
    const deep = repeat(30, (at) => `a${at + 1}: &a${at + 1} [[[*a${at}]]]\n`)
    expect(printed(await readText(`a0: &a0 [1]\n${deep}`))[0]).toMatch(
      /aliases nest deeper than 64 levels$/,
    )
  })

  it('fills in at most 16 million characters', async () => {
    const read = await readText(`a: "${'${A}'.repeat(200)}"\n`, { A: 'x'.repeat(100_000) })
    expect(printed(read)).toEqual([
      'gateway.yaml:1:4 a: all ${…} together become more than 16,777,216 characters\n' +
        '  hint: fill in less, or shorter texts',
    ])
  })
})
