import type { Position } from './problems.ts'

/** One text of a script: the script itself, or a library that it imports. */
export interface ScriptUnit {
  /** JavaScript that stands inside a function. */
  readonly code: string
  /** What it imports: the position of a unit before it, and the names that it gets. */
  readonly imports: readonly { readonly unit: number; readonly binding: string }[]
  /** What a library hands out, as the text of an object; undefined for the script itself. */
  readonly exports: string | undefined
  /** Where its text begins. */
  readonly place: Position
  /** False for text whose lines do not stand as such in the file: a quoted scalar. */
  readonly isExact: boolean
}

/** A checked script, ready for the sandbox: its libraries in the order in which they are needed, itself last. */
export interface Script {
  readonly units: readonly ScriptUnit[]
  /** Changes when any of its texts does. */
  readonly digest: string
  /** True where the word stands in any of its texts: a script that does not name a thing does not use it. */
  mentions(word: string): boolean
  /** Which fields of a root it can reach, such as `headers` of `req`; undefined where that cannot be told. */
  fieldsOf(root: string): ReadonlySet<string> | undefined
}

/** Where a line and column of a unit's text stand in its file. */
export function placeIn({ place, isExact }: ScriptUnit, line: number, column: number): Position {
  if (!isExact) return place
  return { file: place.file, line: place.line + line - 1, column: place.column + column - 1 }
}
