import { formatPath } from '../kit/paths.ts'
import { formatPosition, type Position, type Problem } from './problems.ts'
import type { ConfigTree, Segments } from './tree.ts'
import type { Fault } from './validate.ts'

/** What is said of a place in the tree. */
export interface Remark {
  readonly message: string
  readonly hint?: string | undefined
  /** Whether the name of the option is at fault, or its value. */
  readonly side?: 'key' | 'value'
  readonly severity?: 'error' | 'warning'
  /** In the place of where the value was written. */
  readonly position?: Position
}

/** Problems that one load tells of; the rest are only counted. */
const MAX_PROBLEMS = 500

/** Gathers the problems of one load, each once, and gives them out in file order. */
export class ProblemList {
  readonly #source: ConfigTree
  readonly #problems = new Map<string, Problem>()
  /** Places that the reader found wrong. */
  readonly #unread = new Set<string>()

  constructor(source: ConfigTree) {
    this.#source = source
    for (const problem of source.problems) {
      this.#keep(problem)
      if (problem.severity === 'error') this.#unread.add(placeKey(problem.position, problem.path))
    }
  }

  /** Tells of a place in the tree; of its nearest parent that a file holds, where none holds the place. */
  add(segments: Segments, remark: Remark): void {
    const { message, hint, side = 'value', severity = 'error' } = remark
    const position = remark.position ?? this.locate(segments, side)
    const path = formatPath(segments)
    const problem = { severity, position, path, message, ...(hint === undefined ? {} : { hint }) }
    if (!this.#unread.has(placeKey(position, path))) this.#keep(problem)
    else if (severity === 'warning') this.#soften(problem)
    // What could not be read has been told of; that it does not fit either is no news.
  }

  /** Tells of faults below a place. */
  addFaults(segments: Segments, faults: readonly Fault[]): void {
    for (const fault of faults) this.add([...segments, ...fault.segments], fault)
  }

  /** Where a place of the tree was written. */
  locate(segments: Segments, side: 'key' | 'value' = 'value'): Position {
    return this.#source.positions.locate(this.#source.tree, segments, side)
  }

  get hasErrors(): boolean {
    return [...this.#problems.values()].some(({ severity }) => severity === 'error')
  }

  /** In the order of the files, then by line and column. Where there are too many to tell, errors go first. */
  sorted(): readonly Problem[] {
    const all = [...this.#problems.values()]
    const errors = all.filter(({ severity }) => severity === 'error')
    const told = all.length <= MAX_PROBLEMS || errors.length === 0 ? all : errors
    const ranks = new Map(this.#source.sources.map((name, rank) => [name, rank]))
    const rank = ({ file }: Position) => ranks.get(file) ?? -1
    told.sort(
      ({ position: a }, { position: b }) =>
        rank(a) - rank(b) || a.line - b.line || a.column - b.column,
    )
    const kept = told.slice(0, MAX_PROBLEMS)
    const left = all.length - kept.length
    if (left === 0) return kept
    const { severity, position } = kept.at(-1)!
    const message = `${left.toLocaleString('en')} more problems`
    return [...kept, { severity, position, path: '', message }]
  }

  /** The reader did not know that what it misses is only a secret. */
  #soften(problem: Problem): void {
    const key = placeKey(problem.position, problem.message)
    if (this.#problems.has(key)) this.#problems.set(key, problem)
  }

  // One pipeline may be looked at for many routes, so the same fault is found again.
  #keep(problem: Problem): void {
    const key = placeKey(problem.position, problem.message)
    if (!this.#problems.has(key)) this.#problems.set(key, problem)
  }
}

function placeKey(position: Position, text: string): string {
  return `${formatPosition(position)} ${text}`
}
