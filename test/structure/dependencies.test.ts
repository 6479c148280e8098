import { readFileSync } from 'node:fs'
import { isBuiltin } from 'node:module'
import { describe, expect, it } from 'vitest'
import { importsOf, readTree, type Tree } from './tree.ts'

interface Manifest {
  readonly dependencies: Readonly<Record<string, string>>
  readonly devDependencies: Readonly<Record<string, string>>
}

interface Lock {
  readonly packages: Readonly<
    Record<
      string,
      {
        readonly version?: string
        readonly optionalDependencies?: Readonly<Record<string, string>>
      }
    >
  >
}

const manifest = JSON.parse(readFileSync('package.json', 'utf8')) as Manifest
const lockText = readFileSync('package-lock.json', 'utf8')
const source = readTree('core/**/*.ts', 'plugins/**/*.ts')

/** The first versions without a known hole, and why. */
const FLOORS: Readonly<Record<string, string>> = {
  // CVE-2026-13697: a malformed `private` was kept in the shared cache.
  undici: '8.9.0',
  // CVE-2026-48779: tiny fragments exhaust the memory.
  ws: '8.21.0',
  // CVE-2026-27959: a Host with an @ in it was believed.
  koa: '3.1.2',
  // GHSA-864f-rcv7-6rh4: an escape from guest to host.
  'isolated-vm': '7.0.1',
}

describe('dependencies', () => {
  it('are all used', () => {
    expect(findUnused(Object.keys(manifest.dependencies), source)).toEqual([])
  })

  it('are all declared', () => {
    expect(findUndeclared(Object.keys(manifest.dependencies), source)).toEqual([])
  })

  it('are caught where unused or undeclared', () => {
    const made = { 'core/kit/a.ts': `import { z } from '@acme/zod/v4'` }
    expect(findUnused(['ajv'], made)).toEqual(['ajv'])
    expect(findUndeclared(['ajv'], made)).toEqual(['core/kit/a.ts:1 @acme/zod'])
  })

  it('each have their reason in CONTRIBUTING', () => {
    const names = Object.keys({ ...manifest.dependencies, ...manifest.devDependencies })
    expect(findUnexplained(names, readFileSync('CONTRIBUTING.md', 'utf8'))).toEqual([])
  })

  it('are caught without a reason', () => {
    expect(findUnexplained(['ajv', 'koa'], '| `koa` | the chain |\n| `ajv` | |')).toEqual(['ajv'])
  })
})

describe('the lockfile', () => {
  it('names no registry host', () => {
    expect(findHosts(lockText)).toEqual([])
  })

  it('keeps to versions without a known hole', () => {
    expect(findTooOld(JSON.parse(lockText) as Lock)).toEqual([])
  })

  // An install on top of another forgets them (npm/cli#4828), and then npm ci refuses the lockfile.
  it('has what other platforms need', () => {
    expect(findForgotten(JSON.parse(lockText) as Lock)).toEqual([])
  })

  it('is caught where it has forgotten a platform', () => {
    const packages = { 'node_modules/a': { optionalDependencies: { '@a/darwin': '1.0.0' } } }
    expect(findForgotten({ packages })).toEqual(['node_modules/a wants @a/darwin'])
  })

  it('is caught with a host or an old version', () => {
    expect(findHosts('"resolved": "https://registry.example.com/ws/-/ws-8.18.0.tgz"')).toHaveLength(
      1,
    )
    const packages = { 'node_modules/koa/node_modules/ws': { version: '8.20.9' } }
    expect(findTooOld({ packages })).toEqual([
      'node_modules/koa/node_modules/ws 8.20.9, from 8.21.0',
    ])
  })
})

function findUnused(names: readonly string[], tree: Tree): string[] {
  const used = new Set(packagesOf(tree).map(({ name }) => name))
  return names.filter((name) => !used.has(name.replace(/^@types\//, '')))
}

function findUndeclared(names: readonly string[], tree: Tree): string[] {
  return packagesOf(tree)
    .filter(({ name }) => !names.includes(name))
    .map(({ at, name }) => `${at} ${name}`)
}

function packagesOf(tree: Tree): { at: string; name: string }[] {
  return Object.entries(tree).flatMap(([file, text]) =>
    importsOf(file, text)
      .filter(({ specifier }) => !/^[.#]/.test(specifier) && !isBuiltin(specifier))
      .map(({ specifier, line }) => ({
        at: `${file}:${line}`,
        name: /^(@[^/]+\/)?[^/]+/.exec(specifier)?.[0] ?? specifier,
      })),
  )
}

function findUnexplained(names: readonly string[], text: string): string[] {
  return names.filter((name) => !text.split('\n').some((line) => explains(line, name)))
}

/** A row of a table that names a package first, and then says more. */
function explains(line: string, name: string): boolean {
  const [, first = '', reason = ''] = line.split('|')
  return first.includes(`\`${name}\``) && reason.trim().length > 8
}

function findHosts(text: string): string[] {
  return [...text.matchAll(/"resolved":\s*"https?:[^"]*"/g)].map(([found]) => found)
}

function findTooOld({ packages }: Lock): string[] {
  return Object.entries(packages).flatMap(([path, { version = '' }]) => {
    const name = path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length)
    const floor = Object.hasOwn(FLOORS, name) ? FLOORS[name]! : '0.0.0'
    return isBelow(version, floor) ? [`${path} ${version}, from ${floor}`] : []
  })
}

function findForgotten({ packages }: Lock): string[] {
  const names = new Set(Object.keys(packages).map((path) => path.replace(/^.*node_modules\//, '')))
  return Object.entries(packages).flatMap(([path, { optionalDependencies = {} }]) =>
    Object.keys(optionalDependencies)
      .filter((name) => !names.has(name))
      .map((name) => `${path} wants ${name}`),
  )
}

function isBelow(version: string, floor: string): boolean {
  const [have, want] = [version, floor].map((text) => text.split('.').map(Number.parseFloat))
  for (let part = 0; part < 3; part++) {
    const difference = have![part]! - want![part]!
    if (difference !== 0) return difference < 0
  }
  return false
}
