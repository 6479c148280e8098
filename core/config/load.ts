import path from 'node:path'
import { isObject, type Json, type JsonObject } from '../kit/json.ts'
import type { Plugin } from '../sdk.ts'
import { byModel } from './by-model.ts'
import { Compiler } from './compiler.ts'
import { toEffective } from './effective.ts'
import { Expander, type WrittenStep } from './expand.ts'
import { fingerprint } from './fingerprint.ts'
import { freeze } from './freeze.ts'
import { GATEWAY } from './gateway-schema.ts'
import type { Config, PluginCatalog, PluginSource, RouteConfig, UpstreamConfig } from './model.ts'
import { checkOrder, lacksFacts, ProtocolCheck } from './order.ts'
import { allPlugins, findPlugins } from './plugins.ts'
import { ProblemList } from './problem-list.ts'
import { formatPosition, type Problem } from './problems.ts'
import { readConfig, type ReadOptions } from './read.ts'
import { type BuiltRoute, buildRoute, stepsOf } from './route-builder.ts'
import type { Infer, Schema } from './schema.ts'
import { Scripts } from './scripts.ts'
import { buildServer, type PortOverrides } from './server.ts'
import { shadowOf } from './shadow.ts'
import { StepChecker } from './steps.ts'
import { buildStore, printStore } from './store.ts'
import type { ConfigTree, Segments } from './tree.ts'
import { buildUpstream } from './upstreams.ts'
import { type Fault, validate } from './validate.ts'

/** What a config is loaded with. */
export interface LoadOptions extends ReadOptions, PortOverrides {
  readonly catalog: PluginCatalog
}

/** A config, or why there is none. */
export interface Loaded {
  /** Undefined where one of the problems is an error. */
  readonly config: Config | undefined
  /** Errors and warnings of all files, in file order. */
  readonly problems: readonly Problem[]
  /** Absolute paths of the files and folders whose change may change the config: to be watched after a failure, too. */
  readonly files: readonly string[]
}

/**
 * Reads, checks and compiles a config. Opens no socket and starts nothing: the only code of plugins that runs is what
 * they declare and their own `check`. Never throws for what an operator or a plugin's author wrote.
 */
export async function loadConfig(file: string, options: LoadOptions): Promise<Loaded> {
  const source = await readConfig(file, options)
  const files = [...source.watch.files, ...source.watch.folders]
  const problems = new ProblemList(source)
  // Where a file could not be read, all that it would have held would seem to be missing.
  if (!source.isComplete) return { config: undefined, problems: problems.sorted(), files }
  const loader = new Loader(file, source, problems, options)
  const config = loader.isOversized ? undefined : await loader.load(file, files)
  files.push(...loader.scriptFiles)
  return { config: problems.hasErrors ? undefined : config, problems: problems.sorted(), files }
}

type Options = Infer<typeof GATEWAY>

class Loader {
  readonly #source: ConfigTree
  readonly #problems: ProblemList
  readonly #options: LoadOptions
  readonly #scripts: Scripts
  readonly #compiler: Compiler
  readonly #foreign: Config['plugins'][number][] = []
  readonly #faulty: ReadonlyMap<unknown, ReadonlySet<unknown>>
  /** What was checked by the schema. A part is only to be read where it is sound. */
  readonly #value: Options
  readonly #printed: JsonObject

  constructor(file: string, source: ConfigTree, problems: ProblemList, options: LoadOptions) {
    this.#source = source
    this.#problems = problems
    this.#options = options
    const folder = path.dirname(path.resolve(options.cwd ?? process.cwd(), file))
    this.#scripts = new Scripts(folder, path.dirname(file))
    this.#compiler = new Compiler(source.positions, this.#written('define'), this.#scripts)
    const { value, printed, faults } = validate(GATEWAY, source.tree, this.#compiler)
    problems.addFaults([], faults)
    this.#value = value as Options
    this.#printed = printed as JsonObject
    this.#faulty = faultyEntries(faults)
  }

  /** Files and folders that scripts were read from. */
  get scriptFiles(): readonly string[] {
    return [...this.#scripts.files]
  }

  /** True where a section has more entries than the gateway takes: looking at each of them would only take time. */
  get isOversized(): boolean {
    return Object.entries(GATEWAY.properties).some(([section, schema]: [string, Schema]) => {
      const entries = Object.keys(this.#source.tree[section] ?? {}).length
      return entries > (schema.maxProperties ?? schema.maxItems ?? Infinity)
    })
  }

  async load(file: string, files: readonly string[]): Promise<Config> {
    const { env, port, adminPort } = this.#options
    const problems = this.#problems
    const server = this.#isSound('server')
      ? buildServer(this.#value.server, { port, adminPort }, problems)
      : undefined
    const upstreams = this.#upstreams()
    if (this.#isSound('scripts')) await this.#addLibraries()
    const routes = await this.#routes(upstreams, server?.limits.bodyBytes ?? 0)
    this.#compiler.checkDefinitions(problems)
    const store = this.#isSound('store')
      ? buildStore(this.#value.store, this.#source, problems)
      : undefined
    const printed = { ...this.#printed, routes: routes.map((route) => route.printed) }
    const {
      pipelines: _spliced,
      include: _merged,
      // Each script's own digest stands for the libraries that it imports.
      scripts: _read,
      ...effective
    } = printed as JsonObject
    const variables = this.#variables(env)
    return freeze({
      file,
      files: [...files, ...this.scriptFiles],
      fingerprint: fingerprint([
        effective,
        variables,
        routes.map((route) => route.config.fingerprint),
      ]),
      // Without a server or a store there are errors, and the config is not handed out.
      server: server!,
      store: store!,
      reload: {
        watch: this.#value.reload?.watch ?? true,
        drainMs: this.#value.reload?.drain ?? 0,
      },
      plugins: this.#foreign,
      upstreams,
      routes: routes.map((route) => route.config),
      env: variables,
      effective: toEffective({ ...effective, store: printStore(effective['store']) }),
    })
  }

  async #addLibraries(): Promise<void> {
    const { scripts } = this.#value
    for (const [index, pattern] of [scripts].flat().entries()) {
      const at = typeof scripts === 'string' ? ['scripts'] : ['scripts', index]
      this.#problems.addFaults(at, await this.#scripts.addLibraries(pattern))
    }
  }

  #upstreams(): ReadonlyMap<string, UpstreamConfig> {
    const upstreams = new Map<string, UpstreamConfig>()
    for (const name of Object.keys(this.#written('upstreams'))) {
      const at = ['upstreams', name]
      if (this.#isSound('upstreams', name)) {
        const options = this.#value.upstreams[name]!
        const printed = (this.#printed['upstreams'] as JsonObject)[name] as JsonObject
        const built = buildUpstream(name, options, printed, this.#source, this.#problems)
        upstreams.set(name, built)
      } else upstreams.set(name, { ...UNSOUND, name, position: this.#problems.locate(at) })
    }
    return upstreams
  }

  async #routes(
    upstreams: ReadonlyMap<string, UpstreamConfig>,
    bodyBytes: number,
  ): Promise<readonly BuiltRoute[]> {
    const problems = this.#problems
    const expander = new Expander(this.#source.tree['pipelines'], problems)
    const named = expander.names.flatMap((name) => expander.named(name, ['pipelines', name]) ?? [])
    const written = this.#source.tree['routes']
    const list: readonly Json[] = Array.isArray(written) ? written : []
    const stepLists = list.map((route, index) => stepsOf(route, ['routes', index], expander))
    const plugins = await this.#plugins([...named, ...stepLists.flat()])
    const checker = new StepChecker(this.#source.positions, problems, this.#compiler, plugins)
    for (const step of [...named, ...stepLists.flat()]) checker.check(step)
    const parts = {
      problems,
      compiler: this.#compiler,
      checker,
      upstreams,
      byModel: byModel(upstreams),
      bodyBytes,
    }
    const routes = list.flatMap((_, index): BuiltRoute[] => {
      const at = ['routes', index]
      if (!this.#isSound('routes', index)) return []
      const printed = (this.#printed['routes'] as JsonObject[])[index]!
      return [buildRoute(this.#value.routes[index]!, printed, stepLists[index]!, at, parts)]
    })
    await this.#checkRoutes(routes, plugins)
    return routes
  }

  async #plugins(steps: readonly WrittenStep[]): Promise<ReadonlyMap<string, Plugin>> {
    const sources = new Map<string, PluginSource>()
    for (const name of Object.keys(this.#written('plugins'))) {
      if (!this.#isSound('plugins', name)) continue
      const { from, trust, allow, timeout, memory, breaker } = this.#value.plugins[name]!
      const { file } = this.#problems.locate(['plugins', name])
      const folder = path.dirname(path.resolve(this.#options.cwd ?? process.cwd(), file))
      const { failures, pause } = breaker
      const limits = {
        timeoutMs: timeout,
        memoryBytes: memory,
        breaker: { failures, pauseMs: pause },
      }
      sources.set(name, { name, from, trust, allow, folder, ...limits })
    }
    const found = await findPlugins(steps, sources, this.#options.catalog, this.#problems)
    for (const [name, source] of sources) {
      const plugin = found.get(name)
      if (plugin === undefined) continue
      this.#foreign.push({ ...source, stage: plugin.stage, summary: plugin.summary })
    }
    return found
  }

  /** What can only be seen of all routes together, or of all steps of one. */
  async #checkRoutes(
    routes: readonly BuiltRoute[],
    plugins: ReadonlyMap<string, Plugin>,
  ): Promise<void> {
    const problems = this.#problems
    // Plugins that the config does not use are only loaded to be named in a hint.
    const known = routes.some(({ steps }) => lacksFacts(steps))
      ? [...plugins.values(), ...(await allPlugins(this.#options.catalog))]
      : []
    const protocols = new ProtocolCheck()
    const ids = new Map<string, Segments>()
    const earlier: RouteConfig[] = []
    for (const { config, steps, at } of routes) {
      checkOrder(steps, problems, known)
      for (const step of steps) protocols.add(step, config.match.protocol)
      const first = ids.get(config.id)
      if (first) {
        const message = `the id ${JSON.stringify(config.id)} is taken by the route at ${this.#place(first)}`
        problems.add([...at, 'id'], { message })
      } else ids.set(config.id, at)
      const taker = shadowOf(config.match, earlier)
      earlier.push(config)
      if (taker === undefined) continue
      problems.add(at, {
        message: `this route never matches: all that it would take goes to the route ${JSON.stringify(taker.id)} at ${formatPosition(taker.position)}`,
        hint: 'put it above that one, or narrow one of them',
      })
    }
    protocols.tell(problems)
  }

  /** The variables that expressions read. One that is not set is empty: a config must not depend on it. */
  #variables(env: LoadOptions['env']): Readonly<Record<string, string>> {
    const names = [...this.#compiler.env].sort()
    return Object.fromEntries(
      names.map((name) => [name, (Object.hasOwn(env, name) ? env[name] : undefined) ?? '']),
    )
  }

  #place(segments: Segments): string {
    return formatPosition(this.#problems.locate(segments))
  }

  /** A section as it was written; empty where it is no map. */
  #written(section: string): JsonObject {
    const value = this.#source.tree[section]
    return isObject(value) ? value : {}
  }

  /** True where the schema found no error in a section, or in one entry of it. */
  #isSound(section: string, entry?: string | number): boolean {
    const faulty = this.#faulty.get(section)
    if (faulty === undefined) return true
    return entry !== undefined && !faulty.has(WHOLE) && !faulty.has(entry)
  }
}

/** Stands for a section as a whole, among its entries. */
const WHOLE = Symbol('whole')

/** The sections that have errors, with the entries that the errors are in. */
function faultyEntries(faults: readonly Fault[]): Map<unknown, Set<unknown>> {
  const entries = new Map<unknown, Set<unknown>>()
  for (const { severity, segments } of faults) {
    if (severity !== 'error') continue
    const [section, entry = WHOLE] = segments
    const known = entries.get(section)
    if (known) known.add(entry)
    else entries.set(section, new Set([entry]))
  }
  return entries
}

/** Stands in for an upstream with faults, so that its name is known and nothing else is said of it. */
const UNSOUND: Omit<UpstreamConfig, 'name' | 'position'> = {
  dialects: [],
  endpoints: [],
  keys: [],
  headers: {},
  forwardCredentials: false,
  timeouts: { connectMs: 0, firstByteMs: 0, idleMs: 0, totalMs: 0 },
  maxConnections: 1,
  models: [{ pattern: '*', as: undefined }],
  demo: {},
  fingerprint: '',
}
