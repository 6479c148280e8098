import { readFileSync, statSync } from 'node:fs'
import path from 'node:path'
import { fingerprint } from '../config/fingerprint.ts'
import { stripTypes } from '../config/strip-types.ts'

/** A module and those that it imports, as JavaScript: texts by their absolute paths. */
export interface Modules {
  readonly entry: string
  readonly files: Readonly<Record<string, string>>
  /** Changes when one of them does. */
  readonly digest: string
}

/** Characters of all its modules together. */
const MAX_CHARACTERS = 2_000_000
const IMPORT = /\b(?:import|from)\s*['"](\.{1,2}\/[^'"\n]+)['"]/g

/** Reads a module and all that it imports by relative paths. Throws where one cannot be read. */
export function readModules(entry: string): Modules {
  const files: Record<string, string> = {}
  const waiting = [entry]
  let characters = 0
  while (waiting.length > 0) {
    const file = waiting.pop()!
    if (Object.hasOwn(files, file)) continue
    const text = readModule(file)
    characters += text.length
    if (characters > MAX_CHARACTERS)
      throw new Error(`its files have more than ${MAX_CHARACTERS} characters`)
    files[file] = text
    for (const [, specifier] of text.matchAll(IMPORT)) {
      waiting.push(path.resolve(path.dirname(file), specifier!))
    }
  }
  return { entry, files, digest: fingerprint(files) }
}

function readModule(file: string): string {
  if (!statSync(file).isFile()) throw new Error(`${file} is not a file`)
  const text = readFileSync(file, 'utf8')
  if (!/\.[cm]?ts$/.test(file)) return text
  const stripped = stripTypes(text)
  if (stripped.error !== undefined) throw new Error(`${file}: ${stripped.error.message}`)
  return stripped.text
}
