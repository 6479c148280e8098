import { readFile } from 'node:fs/promises'
import { createRequire, findPackageJSON } from 'node:module'
import { dirname, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { isObject } from '../kit/json.ts'

/**
 * Loads a module of the operator's, or parses a `.json` file: `npm:NAME` or NAME is looked up from `folder` as Node
 * would, a path is seen from it. Rejects with Node's own error, or with one that says what to install.
 */
export async function loadModule(specifier: string, folder: string): Promise<unknown> {
  const file = await resolveModule(specifier, folder)
  if (file.endsWith('.json')) return JSON.parse(await readFile(file, 'utf8')) as unknown
  return import(pathToFileURL(file).href)
}

/** The file that a specifier leads to. */
export async function resolveModule(specifier: string, folder: string): Promise<string> {
  const name = specifier.startsWith('npm:') ? specifier.slice(4) : specifier
  return /^\.{0,2}\//.test(name) ? resolve(folder, name) : resolvePackage(name, folder)
}

async function resolvePackage(name: string, folder: string): Promise<string> {
  const from = resolve(folder, '_')
  try {
    return createRequire(from).resolve(name)
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    if (code === 'ERR_PACKAGE_PATH_NOT_EXPORTED') return importOnlyEntry(name, from)
    if (code !== 'MODULE_NOT_FOUND') throw cause
    throw new Error(`${name} is not installed where ${folder} can see it: npm i ${name}`, { cause })
  }
}

/** `require` does not see the entry of a package that can only be imported; Node has no other look-up from a folder. */
async function importOnlyEntry(name: string, from: string): Promise<string> {
  const manifest = findPackageJSON(name, pathToFileURL(from))
  if (manifest === undefined) throw new Error(`${name} has no package.json`)
  const { exports } = JSON.parse(await readFile(manifest, 'utf8')) as { exports: unknown }
  const entry = importedBy(exports)
  if (entry === undefined) throw new Error(`${name} exports nothing that can be imported`)
  return resolve(dirname(manifest), entry)
}

function importedBy(exports: unknown): string | undefined {
  if (typeof exports === 'string') return exports
  if (!isObject(exports)) return undefined
  for (const condition of ['.', 'node', 'import', 'default']) {
    const entry = importedBy(exports[condition])
    if (entry !== undefined) return entry
  }
  return undefined
}
