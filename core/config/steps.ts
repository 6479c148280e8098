import type { Expression, Part } from '../expressions/expression.ts'
import { formatPath } from '../kit/paths.ts'
import type { JsonObject } from '../kit/json.ts'
import type { Fact, Plugin, Wish } from '../sdk.ts'
import type { Compiler } from './compiler.ts'
import type { WrittenStep } from './expand.ts'
import { fingerprint } from './fingerprint.ts'
import { RESERVED } from './gateway-schema.ts'
import type { StepConfig } from './model.ts'
import type { ProblemList } from './problem-list.ts'
import type { Position } from './problems.ts'
import type { OptionsSchema, Schema } from './schema.ts'
import type { Positions, Segments } from './tree.ts'
import { type Fault, validate } from './validate.ts'

/** What a plugin says of one step, its options known: what the order of steps is checked by. */
export interface Declared {
  readonly needs: readonly Fact[]
  readonly provides: readonly Fact[]
  readonly wishes: readonly Wish[]
  readonly reads: readonly Part[]
  readonly writes: readonly Part[]
  readonly attempts: number
  readonly ends: boolean
  readonly protocols: readonly ('http' | 'websocket')[]
  /** Upstreams that its options name, and where. */
  readonly upstreams: readonly { readonly name: string; readonly path: Segments }[]
  /** True for a step that may hand what it stores to any consumer. */
  readonly isShared: boolean
}

/** A step that was checked by itself. */
export interface CheckedStep {
  readonly written: WrittenStep
  readonly plugin: Plugin
  /** False where its options have an error, so that what it declares is not known. */
  readonly isValid: boolean
  readonly declared: Declared
  readonly config: StepConfig
  /** Its options in force and the reserved keys, defaults in. */
  readonly printed: JsonObject
}

/** What the reserved keys become. */
interface Reserved {
  readonly enabled?: boolean
  readonly when?: Expression
  readonly id?: string
  readonly onError?: 'open' | 'closed'
}

/** Checks steps against their plugins. A step that several routes share is checked once, and is one object. */
export class StepChecker {
  readonly #positions: Positions
  readonly #problems: ProblemList
  readonly #compiler: Compiler
  readonly #plugins: ReadonlyMap<string, Plugin>
  readonly #checked = new Map<string, CheckedStep>()
  readonly #schemas = new Map<Plugin, OptionsSchema>()
  /** How many steps of one name a pipeline has had, to tell them apart. */
  readonly #namesakes = new Map<string, number>()

  constructor(
    positions: Positions,
    problems: ProblemList,
    compiler: Compiler,
    plugins: ReadonlyMap<string, Plugin>,
  ) {
    this.#positions = positions
    this.#problems = problems
    this.#compiler = compiler
    this.#plugins = plugins
  }

  /** Undefined, and told elsewhere, where the plugin is not known. */
  check(written: WrittenStep): CheckedStep | undefined {
    const plugin = this.#plugins.get(written.plugin)
    if (plugin === undefined) return undefined
    const place = formatPath(written.segments)
    const known = this.#checked.get(place)
    // The same step may have come by another way.
    if (known !== undefined) return { ...known, written, config: withUse(known.config, written) }
    const at = [...written.segments, plugin.name]
    const { faults, ...rest } = this.#examine(plugin, written.options ?? {})
    this.#problems.addFaults(at, faults)
    const name = `${written.home}.${rest.reserved.id ?? plugin.name}`
    const namesake = (this.#namesakes.get(name) ?? 0) + 1
    this.#namesakes.set(name, namesake)
    const identity = namesake === 1 ? name : `${name}#${namesake}`
    const step = this.#build(written, plugin, rest, identity, undefined)
    this.#checked.set(place, step)
    return step
  }

  /** A step with a route's changes laid over it; the faults that this brings are told at the change's place. */
  override(base: CheckedStep, over: JsonObject, at: Segments, route: string): CheckedStep {
    const { written, plugin } = base
    // Two expressions merged would be a map with two operators.
    const isWhole = (path: readonly string[]) =>
      path[0] === 'when' || isExpression(plugin.schema, path)
    const options = this.#positions.merge(written.options ?? {}, over, isWhole)
    const { faults, ...rest } = this.#examine(plugin, options)
    const before = new Set(this.#examine(plugin, written.options ?? {}).faults.map(sameFault))
    this.#problems.addFaults(
      at,
      faults.filter((fault) => !before.has(sameFault(fault))),
    )
    const identity = `routes.${route}/${base.config.identity}`
    return this.#build(written, plugin, rest, identity, this.#problems.locate(at, 'key'))
  }

  #build(
    written: WrittenStep,
    plugin: Plugin,
    { reserved, options, declared, printed, print, isValid }: Omit<Examined, 'faults'>,
    identity: string,
    override: Position | undefined,
  ): CheckedStep {
    const reads = [...declared.reads, ...this.#compiler.readsOf(options)]
    if (reserved.when) reads.push(...reserved.when.reads)
    const at = written.options ? [...written.segments, plugin.name] : written.segments
    const config: StepConfig = {
      plugin,
      id: reserved.id ?? plugin.name,
      place: formatPath(written.segments),
      position: this.#problems.locate(at, 'key'),
      origin: { use: written.use, override },
      isEnabled: reserved.enabled ?? true,
      when: reserved.when,
      onError: reserved.onError ?? (plugin.stage === 'observe' ? 'open' : 'closed'),
      options,
      reads: new Set(reads),
      writes: new Set(declared.writes),
      identity,
      fingerprint: print,
    }
    return { written, plugin, isValid, declared, config, printed }
  }

  /** Holds a step's options against its plugin, and asks the plugin about them. */
  #examine(plugin: Plugin, written: JsonObject): Examined {
    const validated = validate(this.#schemaOf(plugin), written, this.#compiler)
    const faults = [...validated.faults]
    const isFit = !faults.some(({ severity }) => severity === 'error')
    const { reserved, options } = split(validated.value as Readonly<Record<string, unknown>>)
    if (isFit) faults.push(...ownCheck(plugin, options))
    const isValid = !faults.some(({ severity }) => severity === 'error')
    const declared = isValid ? declaredBy(plugin, options, faults) : unknownOf(plugin)
    const printed = validated.printed as JsonObject
    const { options: own } = split(printed)
    const print = fingerprint([
      plugin.name,
      plugin.revision ?? '',
      own,
      this.#compiler.definitionsIn(own),
      this.#compiler.digestsIn(options),
    ])
    return { faults, reserved, options, declared, printed, print, isValid }
  }

  #schemaOf(plugin: Plugin): OptionsSchema {
    const known = this.#schemas.get(plugin)
    if (known !== undefined) return known
    const schema = { ...plugin.schema, properties: { ...plugin.schema.properties, ...RESERVED } }
    this.#schemas.set(plugin, schema)
    return schema
  }
}

interface Examined {
  readonly faults: readonly Fault[]
  readonly reserved: Reserved
  readonly options: Readonly<Record<string, unknown>>
  readonly declared: Declared
  readonly printed: JsonObject
  readonly print: string
  readonly isValid: boolean
}

const BOTH = ['http', 'websocket'] as const

/** For a step with faulty options: it provides what it would, and nothing else is said of its order. */
function unknownOf({ provides = [] }: Plugin): Declared {
  return {
    needs: [],
    provides,
    wishes: [],
    reads: [],
    writes: [],
    attempts: 1,
    ends: false,
    protocols: BOTH,
    upstreams: [],
    isShared: true,
  }
}

function withUse(config: StepConfig, { use }: WrittenStep): StepConfig {
  return { ...config, origin: { ...config.origin, use } }
}

function split(map: Readonly<Record<string, unknown>>) {
  const reserved: Record<string, unknown> = {}
  const options: Record<string, unknown> = {}
  for (const [key, value] of Object.entries(map)) {
    if (Object.hasOwn(RESERVED, key)) reserved[key] = value
    else options[key] = value
  }
  return { reserved: reserved as unknown as Reserved, options: Object.freeze(options) }
}

/** What the plugin itself finds wrong. One that breaks is a problem of this config, not the loader's end. */
function ownCheck(plugin: Plugin, options: unknown): Fault[] {
  const faults: Fault[] = []
  const tell =
    (severity: 'error' | 'warning') => (segments: Segments, message: string, hint?: string) => {
      faults.push({ severity, segments: [...segments], side: 'value', message, hint })
    }
  try {
    plugin.check?.(options as never, { error: tell('error'), warning: tell('warning') })
  } catch (cause) {
    faults.push(broken('check', cause))
  }
  return faults
}

function declaredBy(plugin: Plugin, options: unknown, faults: Fault[]): Declared {
  const given = options as never
  const { needs = [], provides = [], reads, writes } = plugin
  try {
    return {
      needs,
      provides,
      wishes: plugin.wishes?.(given) ?? [],
      reads: (typeof reads === 'function' ? reads(given) : reads) ?? [],
      writes: (typeof writes === 'function' ? writes(given) : writes) ?? [],
      attempts: plugin.attempts?.(given) ?? 1,
      ends: plugin.ends?.(given) ?? false,
      protocols: plugin.protocols?.(given) ?? BOTH,
      upstreams: plugin.upstreams?.(given) ?? [],
      isShared: (options as { shared?: unknown }).shared === true,
    }
  } catch (cause) {
    faults.push(broken('declaration', cause))
    return unknownOf(plugin)
  }
}

function broken(what: string, cause: unknown): Fault {
  const message = `the plugin's own ${what} failed: ${cause instanceof Error ? cause.message : String(cause)}`
  return { severity: 'error', segments: [], side: 'value', message }
}

function sameFault({ segments, message }: Fault): string {
  return `${formatPath(segments)}: ${message}`
}

/** True where the option at a path takes an expression. */
function isExpression(schema: Schema, path: readonly string[]): boolean {
  const [key, ...rest] = path
  if (key === undefined) {
    return (
      schema['x-kind'] === 'expression' || (schema.anyOf ?? []).some((one) => isExpression(one, []))
    )
  }
  const { properties, additionalProperties, anyOf = [] } = schema
  const below =
    properties && Object.hasOwn(properties, key)
      ? properties[key]
      : typeof additionalProperties === 'object'
        ? additionalProperties
        : undefined
  return (
    (below !== undefined && isExpression(below, rest)) ||
    anyOf.some((one) => isExpression(one, path))
  )
}
