import { glob } from 'node:fs/promises'
import path from 'node:path'
import { isObject, type Json, type JsonObject } from '../kit/json.ts'
import { suggest } from '../kit/suggest.ts'
import type { Source } from './source.ts'
import { kindOf, type Positions } from './tree.ts'

/** Files that one config may include. */
const MAX_FILES = 500
/** What an included file may hold. Maps are merged by name, routes are tried after those that stand before. */
const MAPS = new Set(['upstreams', 'pipelines', 'define', 'plugins'])
const SECTIONS = [...MAPS, 'routes']
/** What is said once, for the whole gateway. */
const MAIN_ONLY = new Set(['version', 'server', 'store', 'reload', 'scripts'])

const WILDCARD = /[*?[{(]/

/** One file, its parsed text, and what it is called in messages. */
export interface ReadFile {
  readonly source: Source
  readonly tree: JsonObject
}

/** A file that an entry of `include` stands for. */
export interface IncludedFile {
  /** The main file's folder as it was named, and the path from there. */
  readonly name: string
  /** Absolute. */
  readonly path: string
  /** Which entry of `include` named it. */
  readonly index: number
  readonly isGlob: boolean
}

/**
 * Finds the files that the main file includes: in the order of the entries, and sorted within each; each file once,
 * never the main file itself. Hidden files are not matched. A pattern that matches nothing is a warning.
 */
export async function findIncluded(
  { source, tree }: ReadFile,
  positions: Positions,
): Promise<{ files: IncludedFile[]; folders: string[] }> {
  const files = new Map<string, IncludedFile>()
  const folders = new Set<string>()
  // Other types are left to the schema, and a variable that is not set has been told.
  const patterns = Array.isArray(tree['include']) ? tree['include'] : []
  for (const [index, pattern] of patterns.entries()) {
    if (typeof pattern !== 'string' || pattern === '' || pattern.includes('${')) continue
    const isGlob = WILDCARD.test(pattern)
    const place = positions.of(patterns, index)?.value ?? positions.root
    const names = isGlob ? await match(pattern, path.dirname(source.path)) : [pattern]
    if (isGlob) folders.add(baseFolder(pattern, path.dirname(source.path)))
    if (names.length === 0) {
      source.warn(place, ['include', index], `${JSON.stringify(pattern)} matches no file`)
    }
    for (const name of names) {
      const absolute = path.resolve(path.dirname(source.path), name)
      if (absolute === source.path || files.has(absolute)) continue
      if (files.size === MAX_FILES) {
        source.error(place, ['include', index], `more than ${MAX_FILES} files are included`)
        return { files: [...files.values()], folders: [...folders] }
      }
      const printed = path.isAbsolute(name) ? name : path.join(path.dirname(source.name), name)
      files.set(absolute, { name: printed, path: absolute, index, isGlob })
    }
  }
  return { files: [...files.values()], folders: [...folders] }
}

async function match(pattern: string, folder: string): Promise<string[]> {
  const names: string[] = []
  for await (const name of glob(pattern, { cwd: folder })) {
    names.push(name)
    // One more than is accepted, and the caller says so.
    if (names.length > MAX_FILES + 1) break
  }
  return names.sort()
}

/** The folder above the first part with a wildcard. */
function baseFolder(pattern: string, folder: string): string {
  const parts = pattern.split('/')
  const first = parts.findIndex((part) => WILDCARD.test(part))
  return path.resolve(folder, parts.slice(0, first).join('/') || (pattern[0] === '/' ? '/' : '.'))
}

/** Adds what an included file defines to the main file's tree, with its positions. */
export function mergeIncluded(main: ReadFile, part: ReadFile, positions: Positions): void {
  for (const [section, value] of Object.entries(part.tree)) {
    if (MAPS.has(section)) mergeMap(main, part, section, value, positions)
    else if (section === 'routes') appendRoutes(main, part, value, positions)
    else refuse(main, part, section, positions)
  }
}

function mergeMap(
  main: ReadFile,
  part: ReadFile,
  section: string,
  from: Json,
  positions: Positions,
): void {
  if (from === null) return
  if (!isObject(from)) return expected('a map', part, section, positions)
  const into = (main.tree[section] ??= adopt({}, main, part, section, positions))
  // A section of the wrong type in the main file is left to the schema.
  if (!isObject(into)) return
  for (const [name, value] of Object.entries(from)) {
    if (Object.hasOwn(into, name)) {
      const { file, line, column } = positions.of(into, name)?.key ?? positions.root
      const place = positions.of(from, name)?.key ?? 0
      const message = `the name is already taken at ${file}:${line}:${column}`
      part.source.error(place, [section, name], message, 'rename one of them')
    } else {
      into[name] = value
      positions.carry(from, name, into, name)
    }
  }
}

function appendRoutes(main: ReadFile, part: ReadFile, from: Json, positions: Positions): void {
  if (from === null) return
  if (!Array.isArray(from)) return expected('a list', part, 'routes', positions)
  const into = (main.tree['routes'] ??= adopt([], main, part, 'routes', positions))
  if (!Array.isArray(into)) return
  for (const [index, route] of from.entries()) {
    positions.carry(from, index, into, into.length)
    into.push(route)
  }
}

/** A section that only included files have stands where the first of them has it. */
function adopt(
  empty: Json,
  main: ReadFile,
  part: ReadFile,
  section: string,
  positions: Positions,
): Json {
  positions.carry(part.tree, section, main.tree, section)
  return empty
}

function expected(what: string, part: ReadFile, section: string, positions: Positions): void {
  const value = part.tree[section]!
  const place = positions.of(part.tree, section)?.value ?? 0
  part.source.error(place, [section], `expected ${what}, got ${kindOf(value)}`)
}

function refuse(main: ReadFile, part: ReadFile, section: string, positions: Positions): void {
  const place = positions.of(part.tree, section)?.key ?? 0
  const error = (message: string, hint: string) =>
    part.source.error(place, [section], message, hint)
  if (section === 'include') {
    error('an included file includes others', `list them all in ${main.source.name}`)
  } else if (MAIN_ONLY.has(section)) {
    error('only the main file may say this', `move it to ${main.source.name}`)
  } else {
    const meant = suggest(section, [...SECTIONS, ...MAIN_ONLY])
    const accepted = `an included file may hold ${SECTIONS.join(', ')}`
    error('unknown section', meant === undefined ? accepted : `did you mean ${meant}?`)
  }
}
