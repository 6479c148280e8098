import { describe, expect, it } from 'vitest'
import { catalog } from '#plugins/index.ts'
import { importsOf, readTree, type Tree } from './tree.ts'

/** Who stands on whom: an area may import the areas of earlier rows, and what stands beside it below. */
const ROWS = [
  ['kit', 'errors.ts'],
  ['exchange.ts', 'expressions', 'store', 'dialects'],
  ['config'],
  ['sdk.ts', 'upstream', 'sandbox'],
  ['kernel'],
  ['testing'],
  ['cli'],
] as const

/** Types that all of core shares: the contract. */
const SHARED_TYPES = new Set([
  'core/sdk.ts',
  'core/exchange.ts',
  'core/errors.ts',
  'core/config/schema.ts',
  'core/config/model.ts',
  'core/config/problems.ts',
  'core/dialects/dialect.ts',
])

const source = readTree('core/**/*.ts', 'plugins/**/*.ts')

describe('core', () => {
  it('imports only what stands below', () => {
    expect(findUpwardImports(source)).toEqual([])
  })

  it.each([
    ['core/kit/duration.ts', `import { load } from '../config/load.ts'`],
    ['core/store/open.ts', `import { compile } from '../expressions/compile.ts'`],
    ['core/upstream/attempt.ts', `import type { Generation } from '../kernel/generation.ts'`],
    ['core/kernel/gateway.ts', `import { catalog } from '#plugins/index.ts'`],
    ['core/cli/run.ts', `import filter from '#plugins/filter/filter.ts'`],
    ['core/kernel/chain.ts', `const cli = await import('../cli/run.ts')`],
  ])('is caught where %s says %s', (file, text) => {
    expect(findUpwardImports({ [file]: text })).toHaveLength(1)
  })

  it('lets the contract be imported for its types from anywhere', () => {
    const file = 'core/dialects/http.ts'
    expect(
      findUpwardImports({ [file]: `import type { Schema } from '../config/schema.ts'` }),
    ).toEqual([])
    expect(
      findUpwardImports({ [file]: `import { bytes } from '../config/schema.ts'` }),
    ).toHaveLength(1)
  })
})

describe('the kernel and what it stands on', () => {
  it('name no plugin', () => {
    expect(findPluginNames(source, catalog.names)).toEqual([])
  })

  it('are caught where they do', () => {
    const made = { 'core/kernel/chain.ts': `if (step.plugin.name === 'logging') skip()` }
    expect(findPluginNames(made, catalog.names)).toEqual(["core/kernel/chain.ts:1 names 'logging'"])
  })
})

describe('a plugin', () => {
  it('imports the sdk, the kit, the dialects, packages and its own folder', () => {
    expect(findForeignImports(source)).toEqual([])
  })

  it.each([
    `import { LiveExchange } from '#core/kernel/exchange.ts'`,
    `import { openStore } from '#core/store/open.ts'`,
    `import { testPlugin } from '#core/testing.ts'`,
    `import koa from '../koa/koa.ts'`,
    `import koa from '#plugins/koa/koa.ts'`,
    `import { kit } from '../../core/kit/json.ts'`,
  ])('is caught where it says %s', (text) => {
    expect(findForeignImports({ 'plugins/filter/filter.ts': text })).toHaveLength(1)
  })
})

function findUpwardImports(tree: Tree): string[] {
  return eachImport(tree, 'core/', (file, { target, isType }) => {
    if (target.startsWith('plugins/')) {
      return file.startsWith('core/cli/') && target === 'plugins/index.ts'
    }
    if (!target.startsWith('core/')) return true
    if (areaOf(file) === areaOf(target) || (isType && SHARED_TYPES.has(target))) return true
    return rowOf(target) < rowOf(file)
  })
}

function findForeignImports(tree: Tree): string[] {
  return eachImport(tree, 'plugins/', (file, { specifier, target }) => {
    if (file === 'plugins/index.ts') return true
    if (target.startsWith('plugins/')) return target.startsWith(`${file.split('/', 2).join('/')}/`)
    if (!target.startsWith('core/')) return true
    return specifier === '#core/sdk.ts' || /^#core\/(kit|dialects)\//.test(specifier)
  })
}

function eachImport(
  tree: Tree,
  below: string,
  isAllowed: (file: string, one: ReturnType<typeof importsOf>[number]) => boolean,
): string[] {
  return Object.entries(tree)
    .filter(([file]) => file.startsWith(below))
    .flatMap(([file, text]) =>
      importsOf(file, text)
        .filter((one) => !isAllowed(file, one))
        .map(({ line, specifier }) => `${file}:${line} imports ${specifier}`),
    )
}

/** Operators of expressions and packages have names of their own, which may be a plugin's too. */
function findPluginNames(tree: Tree, names: readonly string[]): string[] {
  const literal = new RegExp(`'(${names.join('|')})'`, 'g')
  return Object.entries(tree)
    .filter(([file]) => /^core\/(?!cli\/|expressions\/)/.test(file))
    .flatMap(([file, text]) =>
      text
        .split('\n')
        .flatMap((line, index) =>
          /\bfrom '|\bimport\(/.test(line)
            ? []
            : [...line.matchAll(literal)].map(([found]) => `${file}:${index + 1} names ${found}`),
        ),
    )
}

function areaOf(file: string): string {
  return file.split('/')[1]?.replace(/^testing\.ts$/, 'testing') ?? ''
}

function rowOf(file: string): number {
  const row = ROWS.findIndex((areas) => (areas as readonly string[]).includes(areaOf(file)))
  if (row === -1) throw new Error(`${file}: say in ROWS where ${areaOf(file)} stands`)
  return row
}
