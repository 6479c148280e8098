import { describe, expect, it } from 'vitest'
import { loadConfig } from '#core/config/load.ts'
import { catalog } from './made-up-plugins.ts'

const BASE = 'version: 1\nupstreams: { demo: { dialect: demo } }\n'
const ROUTE = 'routes: [{ id: all, upstream: demo }]\n'
const lines = (count: number, line: (index: number) => string) =>
  Array.from({ length: count }, (_, index) => `${line(index)}\n`).join('')

async function messages(text: string): Promise<string[]> {
  const { problems } = await loadConfig('gateway.yaml', { text, env: {}, catalog })
  return problems.map(({ message }) => message)
}

describe('a config out of all proportion', () => {
  it('has its problems counted where there are too many to tell', async () => {
    const told = await messages(
      `${BASE}${ROUTE}server:\n${lines(40_000, (index) => `  k${index}: 1`)}`,
    )
    expect(told).toHaveLength(501)
    expect(told.at(-1)).toBe('39,500 more problems')
  })

  it('has its errors told before its warnings', async () => {
    const defines = lines(600, (index) => `  d${index}: 1`)
    const told = await messages(`${BASE}define:\n${defines}${ROUTE}sever: {}\n`)
    expect(told).toEqual(['unknown option', '600 more problems'])
  })

  it.each([
    [
      'routes:\n',
      (index: number) => `  - { id: r${index}, match: { path: /a${index} } }`,
      'list',
      'item',
    ],
    [`${ROUTE}define:\n`, (index: number) => `  d${index}: 1`, 'map', 'entrie'],
    [
      `${ROUTE}pipelines:\n`,
      (index: number) => `  p${index}: [{ use: q${index} }]`,
      'map',
      'entrie',
    ],
  ])('is refused as a whole in %j', async (head, line, form, noun) => {
    expect(await messages(`${BASE}${head}${lines(2_001, line)}`)).toEqual([
      `expected a ${form} of at most 2000 ${noun}s, got 2001`,
    ])
  })

  it('is refused where pipelines use each other without end', async () => {
    const chain = lines(100, (index) => `  p${index}: [{ use: p${index + 1} }]`)
    const told = await messages(`${BASE}${ROUTE}pipelines:\n${chain}  p100: [watcher]\n`)
    expect(new Set(told)).toEqual(new Set(['pipelines use each other more than 32 deep']))
  })
})
