import { describe, expect, it } from 'vitest'
import { ERRORS } from '#core/errors.ts'
import { lineAt, readTree, type Tree } from './tree.ts'

const source = readTree('core/**/*.ts', 'plugins/**/*.ts')
const codes = Object.keys(ERRORS)

describe('the catalogue of errors', () => {
  it('has every code that is thrown', () => {
    expect(findUnknown(source, codes)).toEqual([])
  })

  it('has no code that nothing answers with', () => {
    expect(findUnused(source, codes)).toEqual([])
  })

  it('is caught where a code is unknown or unused', () => {
    const made = { 'plugins/geo/geo.ts': `throw new GatewayError('GEO_BLOCKED', 'not from there')` }
    expect(findUnknown(made, ['DENIED'])).toEqual(['plugins/geo/geo.ts:1 GEO_BLOCKED'])
    expect(findUnused(made, ['DENIED'])).toEqual(['DENIED'])
  })

  it('names states in upper case, with a status and a title that shows nothing of the inside', () => {
    for (const [code, { status, title }] of Object.entries(ERRORS)) {
      expect(code).toMatch(/^[A-Z]+(_[A-Z]+)*$/)
      expect(status).toBeGreaterThanOrEqual(400)
      expect(status).toBeLessThan(600)
      expect(title).toMatch(/^[A-Z][^.]*[^.]$/)
    }
  })
})

function findUnknown(tree: Tree, known: readonly string[]): string[] {
  return Object.entries(tree).flatMap(([file, text]) =>
    [...text.matchAll(/new GatewayError\(\s*'(\w+)'/g)]
      .filter(([, code]) => !known.includes(code!))
      .map(({ index, 1: code }) => `${file}:${lineAt(text, index)} ${code}`),
  )
}

function findUnused(tree: Tree, known: readonly string[]): string[] {
  const elsewhere = Object.entries(tree).filter(([file]) => file !== 'core/errors.ts')
  return known.filter((code) => !elsewhere.some(([, text]) => text.includes(`'${code}'`)))
}
