import type { Json } from '../kit/json.ts'
import { suggest } from '../kit/suggest.ts'
import type { Part } from './expression.ts'
import { ExpressionError, Frame, LIMITS } from './limits.ts'
import { buildList } from './list-operators.ts'
import { buildNode, type Build, type Node } from './node.ts'
import type { ExtraOperator, Operator } from './operator.ts'
import { FOREIGN, OPERATORS, PATH_OPERATORS, SYNONYMS } from './operators.ts'
import { PathOperators } from './path-operators.ts'
import { argumentAt, below, type At, type ExpressionProblem, type Vocabulary } from './place.ts'
import { References } from './references.ts'
import { checkSize, freezeCopy } from './values.ts'

/** What a new node is made of; the rest follows. */
export interface NodeParts {
  readonly children: readonly Node[]
  readonly build: Build
  readonly perItem?: number | undefined
  readonly branches?: readonly Node[] | undefined
  readonly parts?: readonly Node[] | undefined
  readonly results?: readonly string[] | undefined
  readonly readsScope?: boolean
  readonly readsItem?: boolean
}

/** Turns the source of one expression into checked nodes, and collects all that is wrong with it. */
export class Parser {
  readonly problems: ExpressionProblem[] = []
  readonly reads = new Set<Part>()
  /** Names of the environment variables that it reads. */
  readonly env = new Set<string>()
  /** True where it can put together a value that is larger than what it reads. */
  builds = false
  readonly vocabulary: Vocabulary
  readonly references: References
  readonly #pathOperators: PathOperators
  readonly #reported = new Set<string>()
  #nodes = 0

  constructor(vocabulary: Vocabulary) {
    this.vocabulary = vocabulary
    this.references = new References(this)
    this.#pathOperators = new PathOperators(this)
  }

  /** Checks a source. Where it is wrong, the problem is noted and the node is only good for going on. */
  parse(source: Json, at: At): Node {
    if (typeof source === 'string') return this.#text(source, at)
    if (typeof source !== 'object' || source === null) return this.literal(source, source, at)
    if (!this.#fits(at)) return this.literal(source, null, at)
    return Array.isArray(source) ? this.#list(source, at) : this.#map(source, at)
  }

  /** A value that is known as it stands. */
  literal(source: Json, value: Json, { path, define }: At): Node {
    return {
      place: { path, define: define?.name },
      source,
      children: [],
      build: () => () => value,
      known: { value },
      isWritten: true,
      readsScope: false,
      readsItem: false,
      size: 0,
      branches: undefined,
      parts: undefined,
      results: undefined,
    }
  }

  /** A node over its children, folded where nothing in it depends on the request. */
  node(source: Json, at: At, parts: NodeParts): Node {
    const { children, perItem } = parts
    const node: Node = {
      place: { path: at.path, define: at.define?.name },
      source,
      children,
      build: parts.build,
      known: undefined,
      isWritten: false,
      readsScope: parts.readsScope === true || children.some((child) => child.readsScope),
      readsItem:
        parts.readsItem === true ||
        children.some((child, index) => child.readsItem && index !== perItem),
      size: 1 + children.reduce((sum, child) => sum + child.size, 0),
      branches: parts.branches,
      parts: parts.parts,
      results: parts.results,
    }
    return node.readsScope || node.readsItem ? node : this.#fold(node, at)
  }

  /** Notes a problem, once for each place. */
  report(at: At, message: string, hint?: string): void {
    this.#add({
      path: at.path,
      ...(at.define && { define: at.define.name }),
      message,
      ...(hint !== undefined && { hint }),
    })
  }

  /** Notes that something cannot be used in this scope: where a `define` brings it in, at the use of the define. */
  reportScope(at: At, what: string, hint: string): void {
    const { scope } = this.vocabulary
    if (!at.define) {
      this.report(at, `${what} is not available in ${scope}`, hint)
      return
    }
    let outermost = at.define
    while (outermost.outer) outermost = outermost.outer
    const message = `$${outermost.name} uses ${what}, which is not available in ${scope}`
    this.#add({ path: at.define.usedAt, message, hint })
  }

  #add(problem: ExpressionProblem): void {
    const key = JSON.stringify([problem.define, problem.path, problem.message])
    if (this.#reported.has(key)) return
    this.#reported.add(key)
    this.problems.push(problem)
  }

  /** Counts one more operator or list, and tells whether it is within the caps. */
  #fits(at: At): boolean {
    if (at.depth > LIMITS.depth) {
      const hint =
        'give parts of it a name with `define`, and reuse fewer of them inside one another'
      this.report(at, `nested deeper than ${LIMITS.depth}`, at.define ? hint : undefined)
      return false
    }
    this.#nodes++
    if (this.#nodes === LIMITS.nodes + 1) {
      this.report(
        at,
        `more than ${LIMITS.nodes} operators and lists in one expression`,
        'every use of a `define` counts as if it were written out; a `script` step may be clearer',
      )
    }
    return this.#nodes <= LIMITS.nodes
  }

  #text(source: string, at: At): Node {
    if (source.startsWith('$$')) return this.literal(source, source.slice(1), at)
    if (!/^\$[A-Za-z_][\w-]*(?:[.[]|$)/.test(source)) return this.literal(source, source, at)
    if (!this.#fits(at)) return this.literal(source, null, at)
    return this.references.node(source, at)
  }

  #list(source: readonly Json[], at: At): Node {
    const children = source.map((item, index) => this.parse(item, below(at, index)))
    const node = this.node(source as Json[], at, {
      children,
      parts: children,
      build: buildList,
    })
    if (!node.known) this.builds = true
    return { ...node, isWritten: children.every((child) => child.isWritten) }
  }

  #map(source: { [key: string]: Json }, at: At): Node {
    const names = Object.keys(source)
    if (names.length === 0) return this.literal({}, freezeCopy({}), at)
    if (names.length === 1) return this.#call(names[0]!, source, at)
    const operators = names.filter((name) => this.#isOperator(name))
    this.report(
      { ...at, path: [...at.path, names[1]!] },
      operators.length > 0
        ? `two operators in one map: ${names.slice(0, 4).join(', ')}`
        : `a map of ${names.length} keys is no expression`,
      operators.length > 0
        ? 'an expression is a map with one key; join several with and: [{ … }, { … }]'
        : 'for a plain map write literal: { … }',
    )
    // The rest is read all the same, so that all problems are told at once.
    for (const name of operators) this.#call(name, { [name]: source[name]! }, at)
    return this.literal(source, null, at)
  }

  #call(name: string, source: { [key: string]: Json }, at: At): Node {
    const argument = source[name]!
    const canonical = SYNONYMS.get(name) ?? name
    const nameAt = { ...at, path: [...at.path, name] }
    if (canonical === 'literal') return this.#written(source, argument, nameAt)
    if (PathOperators.handles(canonical)) {
      return this.#pathOperators.node(canonical, source, argument, at, nameAt)
    }
    const operator = this.#operator(canonical, name, nameAt)
    const args = this.args(argument, nameAt, operator?.perItem)
    if (!operator || !this.checkArity(name, operator.arity, argument, nameAt)) {
      return this.literal(source, null, at)
    }
    if (canonical === 'map' || canonical === 'reduce' || canonical === 'merge') this.builds = true
    const build = operator.compile(args, (index, message, hint) =>
      this.report(argumentAt(nameAt, argument, index), message, hint),
    )
    return this.node(source, at, {
      children: args,
      build,
      perItem: operator.perItem,
      branches: operator.branches?.(args),
      parts: operator.parts?.(args),
      results: operator.results,
      readsScope: operator.readsScope,
    })
  }

  /** Parses the arguments of an operator; one that isn't a list stands for a list of one. */
  args(argument: Json, nameAt: At, perItem?: number): Node[] {
    const sources = Array.isArray(argument) ? argument : [argument]
    return sources.map((source, index) => {
      const at = argumentAt(nameAt, argument, index)
      return this.parse(source, index === perItem ? { ...at, isItem: true } : at)
    })
  }

  /** Notes a wrong number of arguments; true where it is right. */
  checkArity(
    name: string,
    [least, most]: readonly [number, number],
    argument: Json,
    nameAt: At,
  ): boolean {
    const count = Array.isArray(argument) ? argument.length : 1
    if (count >= least && count <= most) return true
    const wanted = countText(least, most)
    const noun = most === 1 || (most === Infinity && least === 1) ? 'argument' : 'arguments'
    const hint =
      most === 1 && count > 1 ? `a list as the argument is written ${name}: [[ … ]]` : undefined
    this.report(nameAt, `${name} takes ${wanted} ${noun}, got ${count}`, hint)
    return false
  }

  #isOperator(name: string): boolean {
    return this.#operatorNames().includes(name)
  }

  #operatorNames(): string[] {
    const { operators } = this.vocabulary
    return [...OPERATORS.keys(), ...PATH_OPERATORS, ...SYNONYMS.keys(), ...operators.keys()]
  }

  #operator(canonical: string, name: string, nameAt: At): CheckedOperator | undefined {
    const own = OPERATORS.get(canonical)
    if (own) return { ...own, readsScope: false, results: undefined }
    const extra = this.vocabulary.operators.get(name)
    if (extra) return this.#extraOperator(name, extra, nameAt)
    if (name === 'log') {
      this.report(nameAt, 'log is not available: an expression has no effects', LOG_HINT)
      return undefined
    }
    const near = FOREIGN.get(name) ?? suggest(name, this.#operatorNames())
    const message = `unknown operator ${JSON.stringify(name)}`
    const plainMap = 'for a plain map write literal: { … }'
    this.report(nameAt, message, near === undefined ? plainMap : `did you mean ${near}?`)
    return undefined
  }

  #extraOperator(name: string, extra: ExtraOperator, nameAt: At): CheckedOperator {
    const { scope } = this.vocabulary
    if (extra.scopes && scope !== 'any' && !extra.scopes.includes(scope)) {
      this.reportScope(nameAt, name, `it is available in: ${extra.scopes.join(', ')}`)
    }
    for (const part of extra.reads ?? []) this.reads.add(part)
    return {
      arity: extra.arity,
      results: extra.results,
      // It sees the scope, so that nothing of it can be known at load.
      readsScope: true,
      compile: () => (runs) => (frame) =>
        extra.evaluate(
          runs.map((run) => run(frame)),
          frame.scope,
        ),
    }
  }

  #written(source: Json, value: Json, nameAt: At): Node {
    try {
      checkSize(value)
    } catch (error) {
      if (!(error instanceof ExpressionError)) throw error
      this.report(nameAt, error.message)
      return this.literal(source, null, nameAt)
    }
    return this.literal(source, freezeCopy(value), { ...nameAt, path: nameAt.path.slice(0, -1) })
  }

  #fold(node: Node, at: At): Node {
    try {
      return { ...node, known: { value: freezeCopy(buildNode(node)(new Frame({}))) } }
    } catch (error) {
      if (!(error instanceof ExpressionError)) throw error
      this.report(at, error.message)
      return { ...node, known: { value: null } }
    }
  }
}

interface CheckedOperator extends Operator {
  readonly readsScope: boolean
  readonly results: readonly string[] | undefined
}

const LOG_HINT = '`sluice explain` prints the value of every sub-expression'

function countText(least: number, most: number): string {
  if (most === Infinity) return `at least ${least}`
  if (least === most) return `${least}`
  return `${least} ${most - least > 1 ? 'to' : 'or'} ${most}`
}
