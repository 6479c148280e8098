import { isObject, type Json, type JsonObject } from '../kit/json.ts'
import type { ProblemList } from './problem-list.ts'
import type { Segments } from './tree.ts'
import { expected, shown, unknownHint } from './wording.ts'

/** Steps that one route may have, so that pipelines which use each other twice cannot double without end. */
const MAX_STEPS = 500

/** Pipelines that may use each other in a row. */
const MAX_DEPTH = 32

/** One step as it was written, with its plugin's name found. */
export interface WrittenStep {
  /** Its place in the tree: `pipelines`, `edge`, 1. */
  readonly segments: Segments
  /** The pipeline in which it was written, or the route. */
  readonly home: string
  readonly plugin: string
  /** The options, reserved keys among them; undefined for a bare name. */
  readonly options: JsonObject | undefined
  /** The pipelines by whose `use` it came, outermost first. */
  readonly use: readonly string[]
}

/**
 * Turns lists of steps into flat ones: finds each step's plugin and splices what `use` names. Each pipeline is
 * looked at once; a fault in it is told once, however many routes it serves.
 */
export class Expander {
  readonly #pipelines: JsonObject
  readonly #problems: ProblemList
  readonly #expanded = new Map<string, readonly WrittenStep[]>()
  /** The pipelines that are being expanded, outermost first. */
  readonly #open: string[] = []

  constructor(pipelines: Json | undefined, problems: ProblemList) {
    this.#pipelines = isObject(pipelines) ? pipelines : {}
    this.#problems = problems
  }

  get names(): readonly string[] {
    return Object.keys(this.#pipelines)
  }

  /** The steps of a named pipeline; undefined, and a problem at `asker`, where there is none of that name. */
  named(name: string, asker: Segments): readonly WrittenStep[] | undefined {
    if (!Object.hasOwn(this.#pipelines, name)) {
      const hint = unknownHint(name, this.names)
      this.#problems.add(asker, { message: `there is no pipeline ${JSON.stringify(name)}`, hint })
      return undefined
    }
    const known = this.#expanded.get(name)
    if (known !== undefined) return known
    const cycle = this.#open.indexOf(name)
    if (cycle !== -1) {
      const ring = [...this.#open.slice(cycle), name].join(' → ')
      this.#problems.add(asker, { message: `pipelines use each other in a circle: ${ring}` })
      return undefined
    }
    if (this.#open.length === MAX_DEPTH) {
      const message = `pipelines use each other more than ${MAX_DEPTH} deep`
      this.#problems.add(asker, { message })
      return undefined
    }
    this.#open.push(name)
    const list = this.#pipelines[name]!
    const steps = this.list(list, ['pipelines', name], `pipelines.${name}`)
    this.#open.pop()
    this.#expanded.set(name, steps)
    return steps
  }

  /** The steps of a list that stands at `segments`. */
  list(list: Json, segments: Segments, home: string): readonly WrittenStep[] {
    if (!Array.isArray(list)) return []
    const steps: WrittenStep[] = []
    for (const [index, item] of list.entries()) {
      steps.push(...this.#step(item, [...segments, index], home))
      if (steps.length <= MAX_STEPS) continue
      this.#problems.add(segments, { message: `this comes to more than ${MAX_STEPS} steps` })
      return []
    }
    return steps
  }

  #step(item: Json, segments: Segments, home: string): readonly WrittenStep[] {
    if (typeof item === 'string') {
      return [{ segments, home, plugin: item, options: undefined, use: [] }]
    }
    if (!isObject(item)) {
      const message = `expected a step, which is a plugin's name or a map with one, got ${shown(item)}`
      this.#problems.add(segments, { message })
      return []
    }
    const keys = Object.keys(item)
    if (keys.length !== 1) {
      this.#problems.add(segments, manyKeys(keys))
      return []
    }
    const plugin = keys[0]!
    if (plugin === 'use') return this.#use(item['use']!, [...segments, 'use'])
    const options = item[plugin]!
    if (options === null) return [{ segments, home, plugin, options: undefined, use: [] }]
    if (!isObject(options)) {
      const message = `expected ${expected({ type: 'object' })} of options, got ${shown(options)}`
      this.#problems.add([...segments, plugin], { message })
      return []
    }
    return [{ segments, home, plugin, options, use: [] }]
  }

  #use(name: Json, segments: Segments): readonly WrittenStep[] {
    if (typeof name !== 'string') {
      const message = `expected the name of a pipeline, got ${shown(name)}`
      this.#problems.add(segments, { message })
      return []
    }
    const steps = this.named(name, segments) ?? []
    return steps.map((step) => ({ ...step, use: [name, ...step.use] }))
  }
}

function manyKeys(keys: readonly string[]) {
  if (keys.length === 0) return { message: 'expected a step, got {}' }
  const [first, ...others] = keys
  const use = keys.includes('use')
  return {
    message: `a step is a map with one key, the plugin's name, and this has ${keys.join(', ')}`,
    hint: use
      ? 'use stands by itself: - use: NAME'
      : `indent ${others.join(', ')} to make options of ${first}, or begin further steps with -`,
  }
}
