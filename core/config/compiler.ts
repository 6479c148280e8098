import {
  checkDefines,
  compile,
  type ExpressionContext,
  type ExpressionProblem,
  type ExtraOperator,
} from '../expressions/compile.ts'
import type { Expression, Part } from '../expressions/expression.ts'
import { isObject, type Json, type JsonObject } from '../kit/json.ts'
import type { ProblemList } from './problem-list.ts'
import type { ExpressionScope } from './schema.ts'
import type { ReadOption, Scripts } from './scripts.ts'
import type { Origin, Positions } from './tree.ts'
import type { Fault, Surroundings } from './validate.ts'

/** Compiles the expressions of one config, reads its scripts, and remembers what they use of it. */
export class Compiler implements Surroundings {
  readonly #positions: Positions
  readonly #defines: JsonObject
  readonly #scripts: Scripts
  readonly #used = new Set<string>()
  readonly #env = new Set<string>()
  readonly #compiled = new WeakMap<object, Expression>()

  constructor(positions: Positions, defines: JsonObject, scripts: Scripts) {
    this.#positions = positions
    this.#defines = defines
    this.#scripts = scripts
  }

  /** Names of the environment variables that the expressions read. */
  get env(): ReadonlySet<string> {
    return this.#env
  }

  origin(container: object, key: string | number): Origin | undefined {
    return this.#positions.of(container, key)
  }

  script(text: string, kind: 'code' | 'code-file', origin: Origin | undefined): ReadOption {
    return kind === 'code' ? this.#scripts.inline(text, origin) : this.#scripts.file(text)
  }

  compile(source: Json, scope: ExpressionScope) {
    return this.#compile(source, { scope, defines: this.#defines })
  }

  /** Compiles a routing rule: it comes to the name of an upstream, and may use `byModel`. */
  compileRouting(source: Json, upstreams: readonly string[], byModel: ExtraOperator) {
    return this.#compile(source, {
      scope: 'request',
      defines: this.#defines,
      operators: { byModel },
      results: { of: 'upstream', known: upstreams },
    })
  }

  /** What the expressions among checked options read. */
  readsOf(options: unknown): readonly Part[] {
    if (typeof options !== 'object' || options === null) return []
    const expression = this.#compiled.get(options)
    if (expression !== undefined) return [...expression.reads]
    return Object.values(options).flatMap((value) => this.readsOf(value))
  }

  /** What changes with the scripts among checked options. */
  digestsIn(options: unknown): readonly string[] {
    return this.#scripts.digestsIn(options)
  }

  /** The definitions that a value names, and those that they name in turn. */
  definitionsIn(value: unknown): JsonObject {
    const found = new Set<string>()
    this.#gather(value, found)
    return Object.fromEntries([...found].sort().map((name) => [name, this.#defines[name]!]))
  }

  /** Tells of faults in definitions, and of those that nothing uses. To be called when all else was compiled. */
  checkDefinitions(problems: ProblemList): void {
    for (const { define = '', path, message, hint } of checkDefines(this.#defines)) {
      problems.add(['define', define, ...path], { message, hint })
    }
    for (const name of Object.keys(this.#defines)) {
      if (this.#used.has(name)) continue
      const message = 'no expression uses this definition'
      const hint = `$${name} stands for it`
      problems.add(['define', name], { message, hint, side: 'key', severity: 'warning' })
    }
  }

  #compile(source: Json, context: ExpressionContext) {
    this.#gather(source, this.#used)
    const compiled = compile(source, context)
    if (compiled.problems) return { expression: undefined, faults: compiled.problems.map(toFault) }
    for (const name of compiled.env) this.#env.add(name)
    this.#compiled.set(compiled.expression, compiled.expression)
    return { expression: compiled.expression, faults: [] }
  }

  #gather(value: unknown, found: Set<string>): void {
    if (typeof value === 'string') {
      if (value.startsWith('$')) this.#gatherPath(value.slice(1), found)
    } else if (Array.isArray(value)) {
      for (const item of value) this.#gather(item, found)
    } else if (isObject(value)) {
      const path = Array.isArray(value['var']) ? value['var'][0] : value['var']
      if (typeof path === 'string') this.#gatherPath(path, found)
      for (const item of Object.values(value)) this.#gather(item, found)
    }
  }

  #gatherPath(path: string, found: Set<string>): void {
    const name = /^[\w-]*/.exec(path)![0]
    if (!Object.hasOwn(this.#defines, name) || found.has(name)) return
    found.add(name)
    this.#gather(this.#defines[name], found)
  }
}

/** A fault inside a definition is told where the definition is used: it may be at fault in this scope only. */
function toFault({ define, path, message, hint }: ExpressionProblem): Fault {
  return {
    severity: 'error',
    side: 'value',
    segments: define === undefined ? path : [],
    message: define === undefined ? message : `in the definition ${define}: ${message}`,
    hint,
  }
}
