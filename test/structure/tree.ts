import { globSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** Files by path, as seen from the root: what the tests of structure judge. A made-up tree will do as well. */
export type Tree = Readonly<Record<string, string>>

/** Reads the files of this repository that the patterns name. */
export function readTree(...patterns: readonly string[]): Tree {
  const files = globSync(patterns).filter((file) => !file.endsWith('.d.ts'))
  return Object.fromEntries(files.sort().map((file) => [file, readFileSync(file, 'utf8')]))
}

/** One import or re-export. */
export interface Import {
  readonly line: number
  /** As written. */
  readonly specifier: string
  /** A path from the root for files of this repository, else as written. */
  readonly target: string
  /** True where nothing of it is left at run time. */
  readonly isType: boolean
}

const STATEMENT =
  /^(?:import|export)\s+(?:(?<type>type)\s+)?(?:(?<names>[\w*{][^'"`;]*?)\s+from\s+)?'(?<from>[^']+)'|\b(?:import|require)\('(?<later>[^']+)'\)/gm

/** A text of many lines, such as the source of another file that a command writes. */
const TEMPLATE = /(?<=\breturn |= |\()`(?:\\.|[^`\\])*`/gs

/** What a source file imports. */
export function importsOf(file: string, source: string): readonly Import[] {
  const text = source.replaceAll(TEMPLATE, (template) => template.replaceAll(/[^\n]/g, ' '))
  return [...text.matchAll(STATEMENT)].map(({ index, groups = {} }) => {
    const { type, names = '', from, later } = groups
    const specifier = from ?? later ?? ''
    return {
      line: lineAt(text, index),
      specifier,
      target: targetOf(file, specifier),
      isType: type !== undefined || areTypes(names),
    }
  })
}

/** The line of a position in a text, from 1. */
export function lineAt(text: string, index: number): number {
  return text.slice(0, index).split('\n').length
}

/** `import { type A, type B }`. */
function areTypes(names: string): boolean {
  const listed = /^\{(?<list>[^}]*)\}$/.exec(names.trim())?.groups?.['list']
  if (listed === undefined) return false
  const each = listed.split(',').map((name) => name.trim())
  return each.filter(Boolean).every((name) => name.startsWith('type '))
}

function targetOf(file: string, specifier: string): string {
  if (specifier.startsWith('.')) return join(dirname(file), specifier)
  return specifier.startsWith('#') ? specifier.slice(1) : specifier
}
