import { LineCounter } from 'yaml'
import { formatPath } from '../kit/paths.ts'
import type { Position, Problem } from './problems.ts'
import type { Segments } from './tree.ts'

/** Problems told of one file; the rest are only counted. */
const MAX_PROBLEMS = 200

/** The text of one file, the name it goes by in messages, and what is wrong with it. */
export class Source {
  /** As it is printed: the main file as it was named, others relative to the same folder. */
  readonly name: string
  /** Absolute. */
  readonly path: string
  readonly text: string
  readonly #lines = new LineCounter()
  readonly #problems: Problem[] = []

  constructor(name: string, path: string, text: string) {
    this.name = name
    this.path = path
    this.text = text
    for (let end = -1; ;) {
      this.#lines.addNewLine(end + 1)
      end = text.indexOf('\n', end + 1)
      if (end === -1) break
    }
  }

  /** The line and column of an offset into the text. */
  at(offset: number): Position {
    const { line, col } = this.#lines.linePos(offset)
    return { file: this.name, line, column: col }
  }

  /** `place` is an offset into the text, or a position in this file. */
  error(place: number | Position, path: Segments, message: string, hint?: string): void {
    this.#report('error', place, path, message, hint)
  }

  /** `place` is an offset into the text, or a position in this file. */
  warn(place: number | Position, path: Segments, message: string, hint?: string): void {
    this.#report('warning', place, path, message, hint)
  }

  #report(
    severity: Problem['severity'],
    place: number | Position,
    segments: Segments,
    message: string,
    hint: string | undefined,
  ): void {
    const position = typeof place === 'number' ? this.at(place) : place
    const problem = { severity, position, path: formatPath(segments), message }
    this.#problems.push(hint === undefined ? problem : { ...problem, hint })
  }

  /** In the order of the file. Where there are too many to tell, errors go before warnings. */
  problems(): Problem[] {
    const all = this.#problems.toSorted(
      ({ position: a }, { position: b }) => a.line - b.line || a.column - b.column,
    )
    if (all.length <= MAX_PROBLEMS) return all
    const errors = all.filter(({ severity }) => severity === 'error')
    const told = (errors.length > 0 ? errors : all).slice(0, MAX_PROBLEMS)
    const { severity, position } = told.at(-1)!
    const message = `${(all.length - told.length).toLocaleString('en')} more problems in this file`
    return [...told, { severity, position, path: '', message }]
  }
}
