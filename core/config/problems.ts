/** A place in a file, counted from 1. */
export interface Position {
  readonly file: string
  readonly line: number
  readonly column: number
}

/** One thing that is wrong, or doubtful, in a config: where, what, and what instead. */
export interface Problem {
  readonly severity: 'error' | 'warning'
  readonly position: Position
  /** The option's place, such as `pipelines.chat[0].rateLimiting.window`. Empty for a whole file. */
  readonly path: string
  /** Lower case, no final period, the found value as JSON. */
  readonly message: string
  /** What to do instead. */
  readonly hint?: string
}

/** Prints `gateway.yaml:7:9`. */
export function formatPosition({ file, line, column }: Position): string {
  return `${file}:${line}:${column}`
}

/** Prints `gateway.yaml:7:9 pipelines.chat[1].x: unknown plugin`, and the hint on a second line. */
export function formatProblem({ severity, position, path, message, hint }: Problem): string {
  const place = formatPosition(position)
  const warning = severity === 'warning' ? 'warning: ' : ''
  const subject = path === '' ? '' : `${path}: `
  return `${place} ${warning}${subject}${message}` + (hint === undefined ? '' : `\n  hint: ${hint}`)
}

/** A config that cannot be loaded, with all that is wrong with it in file order. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
  readonly problems: readonly Problem[]

  constructor(problems: readonly Problem[]) {
    super(problems.map(formatProblem).join('\n'))
    this.problems = problems
  }
}
