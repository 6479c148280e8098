import { execFileSync } from 'node:child_process'
import { copyFileSync, globSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { stripTypeScriptTypes } from 'node:module'
import { basename } from 'node:path'

/**
 * Makes the tree fit for a package, before `npm pack`, and afterwards as it was. Node strips no types under
 * `node_modules`, so the package holds each source as JavaScript, with every line and column where it was.
 */

/** What stays at home. */
const LEFT_OUT = new Set(['pack.ts'])
/** The manifest as it was, while a packed one stands in its place. */
const MANIFEST_KEPT = '.package.json.kept'
const TYPES_CONFIG = '.tsconfig.pack.json'
/** Where a specifier stands that names a file of ours: `from '#core/sdk.ts'`, `import('./run.ts')`. */
const SPECIFIER =
  /(\bfrom\s*|\bimport\s*\(?\s*|\bnew URL\(\s*)(['"])((?:\.{1,2}\/|#)[^'"\n$]+)\.ts\2/g

function pack(): void {
  for (const file of sources()) {
    const code = stripTypeScriptTypes(readFileSync(file, 'utf8'))
    writeFileSync(file.replace(/\.ts$/, '.js'), pointToScripts(code))
  }
  emitDeclarations()
  for (const file of globSync('core/**/*.d.ts')) {
    writeFileSync(file, pointToScripts(readFileSync(file, 'utf8')))
  }
  copyFileSync('package.json', MANIFEST_KEPT)
  writeFileSync('package.json', packedManifest(readFileSync('package.json', 'utf8')))
}

function unpack(): void {
  for (const file of sources()) rmSync(file.replace(/\.ts$/, '.js'), { force: true })
  for (const file of globSync('core/**/*.d.ts')) rmSync(file)
  if (globSync(MANIFEST_KEPT).length > 0) renameSync(MANIFEST_KEPT, 'package.json')
}

function sources(): readonly string[] {
  const files = globSync(['core/**/*.ts', 'plugins/**/*.ts'])
  return files.filter((file) => !LEFT_OUT.has(basename(file)) && !file.endsWith('.d.ts'))
}

function pointToScripts(code: string): string {
  return code.replaceAll(SPECIFIER, '$1$2$3.js$2')
}

/** Types for authors of plugins: the two doors, and what they lead to. */
function emitDeclarations(): void {
  const compilerOptions = { noEmit: false, declaration: true, emitDeclarationOnly: true }
  const files = ['core/sdk.ts', 'core/testing.ts']
  writeFileSync(
    TYPES_CONFIG,
    JSON.stringify({ extends: './tsconfig.json', compilerOptions, files, include: [] }),
  )
  try {
    const compiler = 'node_modules/typescript/bin/tsc'
    execFileSync(process.execPath, [compiler, '-p', TYPES_CONFIG], { stdio: 'inherit' })
  } finally {
    rmSync(TYPES_CONFIG)
  }
}

/** The same manifest, with scripts where it named sources. */
function packedManifest(text: string): string {
  const manifest = JSON.parse(text) as Record<string, unknown>
  delete manifest['scripts']
  delete manifest['devDependencies']
  delete manifest['allowScripts']
  manifest['bin'] = { sluice: 'core/cli/main.js' }
  manifest['exports'] = {
    '.': { types: './core/sdk.d.ts', default: './core/sdk.js' },
    './testing': { types: './core/testing.d.ts', default: './core/testing.js' },
    './package.json': './package.json',
  }
  return `${JSON.stringify(manifest, null, 2)}\n`
}

if (process.argv.includes('--undo')) unpack()
else pack()
