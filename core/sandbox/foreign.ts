import { CREDENTIAL_HEADERS } from '../dialects/credentials.ts'
import { ERRORS, type ErrorCode, StepFailure } from '../errors.ts'
import type { Chunk, Denial, ExchangeView, Message } from '../exchange.ts'
import { headerProblem } from '../kit/header-field.ts'
import { isObject, type Json, type JsonObject } from '../kit/json.ts'
import type { Hooks, Host, Logger, Plugin } from '../sdk.ts'
import type { BreakerLimits } from './breaker.ts'
import { CellError } from './cell.ts'
import type { Health } from './health.ts'
import { type Modules, readModules } from './modules.ts'
import { ScriptProcesses } from './processes.ts'
import type { PluginProgram } from './program.ts'
import type { StepSandbox } from './sandbox.ts'

/** What the config grants a plugin of somebody else's. */
export interface ForeignGrants {
  readonly name: string
  readonly allow: readonly string[]
  readonly timeoutMs: number
  readonly memoryBytes: number
  /** When it is switched off. */
  readonly breaker: BreakerLimits
}

/** Hooks that see copies and return patches, so that they run anywhere. */
const HOOKS = ['request', 'response', 'chunk', 'flush', 'message'] as const
type HookName = (typeof HOOKS)[number]

/** What a plugin declares by a function, which would have to run inside the gateway. */
const FUNCTIONS = new Set(['setup', 'check'])

const SILENT: Logger = { debug() {}, info() {}, warn() {}, error() {} }

/**
 * A plugin of somebody else's whose code never runs inside the gateway: not while it is loaded, and not later. Rejects
 * with what keeps it from that.
 */
export async function sandboxedPlugin(entry: string, grants: ForeignGrants): Promise<Plugin> {
  const source = readModules(entry)
  const declared = await describe(source, grants)
  const { functions, ...plugin } = declared
  const refused = functions.filter((name) => !FUNCTIONS.has(name))
  if (refused.length > 0) throw needsTrust(`declares ${refused.join(', ')} by a function`)
  const kinds = JSON.stringify(plugin.schema ?? {}).match(/"x-kind":"(?!duration|bytes)[\w-]+"/)
  if (kinds) throw needsTrust(`takes an option of the kind ${kinds[0].slice(9)}`)
  return {
    ...(plugin as unknown as Plugin),
    revision: source.digest,
    setup: (options, host) => setUp(source, grants, options as Json, host),
  }
}

type Declared = JsonObject & { readonly functions: string[]; readonly schema?: Json }

/** A process only to ask plugins what they are; it ends by itself some seconds later. */
let describing: ScriptProcesses | undefined

async function describe(source: Modules, grants: ForeignGrants): Promise<Declared> {
  describing ??= new ScriptProcesses(SILENT, { hasSpare: false })
  const step = { plugin: grants.name, id: grants.name, place: '', identity: '' }
  const subject = await describing.load(programOf(source, grants, undefined, step))
  try {
    const answered = read(await describing.run(subject, JSON.stringify({ op: 'describe' })))
    if (answered.failed !== undefined) throw new Error(answered.failed.message)
    return answered.value as Declared
  } finally {
    describing.forget(subject)
  }
}

function programOf(
  { entry, files }: Modules,
  { allow, timeoutMs, memoryBytes }: ForeignGrants,
  options: Json | undefined,
  step: Host['step'],
): PluginProgram {
  const limits = { output: 4 * 1024 ** 2, lines: 100, lineLength: 1_000 }
  return {
    plugin: {
      entry,
      files,
      settings: { allow, step, ...limits },
      ...(options === undefined ? {} : { options }),
    },
    limits: { timeoutMs, memoryBytes },
  }
}

async function setUp(
  source: Modules,
  grants: ForeignGrants,
  options: Json,
  host: Host,
): Promise<Hooks> {
  const program = programOf(source, grants, options, host.step)
  const opened = await (host.sandbox as StepSandbox).openPlugin(program, grants.breaker)
  const caller = new ForeignCaller(opened, host)
  try {
    const names = (await caller.ask({ op: 'hooks' })) as string[]
    const known = new Set<string>([...HOOKS, 'close'])
    const refused = names.filter((name) => !known.has(name))
    if (refused.length > 0) throw needsTrust(`has the hook ${refused.join(', ')}`)
    return hooksOf(caller, new Set(names), () => opened.close())
  } catch (cause) {
    opened.close()
    throw cause
  }
}

function needsTrust(what: string): Error {
  return new Error(`it ${what}, which only trust: full allows`)
}

function hooksOf(caller: ForeignCaller, names: ReadonlySet<string>, close: () => void): Hooks {
  const call = <T>(read: (value: Json | undefined) => T, hook: HookName, ...args: Json[]) =>
    caller.call({ op: 'call', hook, args }, read)
  const hooks: { [K in keyof Hooks]: unknown } = {
    request: (exchange: ExchangeView) => call(patchOf, 'request', viewOf(exchange)),
    response: (exchange: ExchangeView) => call(patchOf, 'response', viewOf(exchange)),
    chunk: (chunk: Chunk, exchange: ExchangeView) =>
      call(piecesOf, 'chunk', pieceOf(chunk), viewOf(exchange)),
    flush: (exchange: ExchangeView) => call(piecesOf, 'flush', viewOf(exchange)),
    message: (message: Message, exchange: ExchangeView) =>
      call(piecesOf, 'message', pieceOf(message), viewOf(exchange)),
  }
  return {
    ...Object.fromEntries(
      HOOKS.filter((name) => names.has(name)).map((name) => [name, hooks[name]]),
    ),
    async close() {
      try {
        if (names.has('close')) await caller.ask({ op: 'close' })
      } finally {
        close()
      }
    },
  }
}

/** What it runs in. */
export interface OpenPlugin {
  readonly health: Health
  run(text: string): Promise<string>
  close(): void
}

interface Answered {
  readonly value?: unknown
  readonly waits?: number
  readonly wants?: readonly Want[]
  readonly failed?: Failure
  readonly lines?: readonly { level: keyof Logger; message: string; fields: object }[]
  readonly dropped?: number
}

interface Failure {
  readonly message: string
  readonly stack?: string
  readonly code?: string
  readonly status?: number
  readonly headers?: Record<string, string>
  readonly param?: string
}

interface Want {
  readonly request: number
  readonly do: 'get' | 'set' | 'delete' | 'fetch'
  readonly name?: string
  readonly key?: string
  readonly value?: Json
  readonly ttlMs?: number
  readonly url?: string
  readonly options?: JsonObject
}

/** Calls a plugin in its sandbox, and does for it what it was granted. */
class ForeignCaller {
  readonly #plugin: OpenPlugin
  readonly #host: Host

  constructor(plugin: OpenPlugin, host: Host) {
    this.#plugin = plugin
    this.#host = host
  }

  /** Calls a hook and reads what it answers, unless it has failed too often lately. */
  async call<T>(order: JsonObject, read: (value: Json | undefined) => T): Promise<T> {
    const { health } = this.#plugin
    health.admit()
    try {
      const value = read(await this.ask(order))
      health.succeeded()
      return value
    } catch (cause) {
      const ended = cause instanceof StepFailure ? cause.cause : undefined
      if (ended instanceof CellError) health.broke(ended)
      else health.threw()
      throw cause
    }
  }

  async ask(order: JsonObject): Promise<Json | undefined> {
    let answered = read(await this.#turn(order))
    while (answered.waits !== undefined) {
      const answers = await Promise.all((answered.wants ?? []).map((want) => this.#give(want)))
      answered = read(await this.#turn({ op: 'resume', id: answered.waits, answers }))
    }
    for (const { level, message, fields } of answered.lines ?? [])
      this.#host.log[level](message, fields)
    if ((answered.dropped ?? 0) > 0) {
      this.#host.log.warn('plugin says more than it may', { dropped: answered.dropped })
    }
    if (answered.failed === undefined) return answered.value as Json | undefined
    return refusalOf(answered.failed) as unknown as Json
  }

  async #turn(order: JsonObject): Promise<string> {
    try {
      return await this.#plugin.run(JSON.stringify({ ...order, now: this.#host.now() }))
    } catch (cause) {
      if (!(cause instanceof CellError)) throw cause
      const code =
        cause.kind === 'timeout' || cause.kind === 'starved' ? 'SCRIPT_TIMEOUT' : 'SCRIPT_FAILED'
      throw new StepFailure(code, cause.message, { cause })
    }
  }

  async #give(want: Want): Promise<JsonObject> {
    const { request } = want
    try {
      return { request, value: (await this.#done(want)) ?? null }
    } catch (cause) {
      return { request, error: cause instanceof Error ? cause.message : String(cause) }
    }
  }

  /** What it was not granted, it has no way to ask for; this is the second look. */
  async #done({
    do: what,
    name = '',
    key = '',
    value = null,
    ttlMs = Infinity,
    url = '',
    options,
  }: Want) {
    if (what === 'fetch') {
      const { status, headers, body } = await this.#host.fetch(url, options)
      return { status, headers: { ...headers }, body: body.toString() } as JsonObject
    }
    const store = this.#host.store.keyValue(name)
    if (what === 'get') return store.get(key)
    if (what === 'delete') return store.delete(key)
    await store.set(key, value, ttlMs)
    return null
  }
}

function read(text: string): Answered {
  return JSON.parse(text) as Answered
}

/** A refusal as the patch that it could have returned; anything else is a failure. */
function refusalOf({ code, status, headers, param, message, stack }: Failure): { deny: Denial } {
  if (code === undefined || !Object.hasOwn(ERRORS, code)) {
    throw new StepFailure('SCRIPT_FAILED', stack?.includes(message) ? stack : message)
  }
  return {
    deny: {
      code: code as ErrorCode,
      message,
      ...(status === undefined ? {} : { status }),
      ...(headers === undefined ? {} : { headers }),
      ...(param === undefined ? {} : { param }),
    },
  }
}

/** An exchange as data. Credentials are not for others: what the client presents to the gateway, or to a provider. */
function viewOf(exchange: ExchangeView): Json {
  const { id, route, now, env, consumer, upstream, usage, vars } = exchange
  const { method, path, query, params, host, ip, protocol, dialect, model, body } = exchange.req
  const headers = { ...exchange.req.headers }
  for (const name of CREDENTIAL_HEADERS) delete headers[name]
  const req = { method, path, query, headers, params, host, ip, protocol, dialect, model, body }
  const { status, isStream } = exchange.res
  const res = { status, headers: { ...exchange.res.headers }, isStream, body: exchange.res.body }
  return { id, route, now, env, consumer, upstream, usage, vars, req, res } as unknown as Json
}

function pieceOf(piece: Chunk | Message): Json {
  const { data, json, text, texts } = piece
  const own =
    'from' in piece
      ? { from: piece.from, isBinary: piece.isBinary }
      : { event: piece.event, isWhole: piece.isWhole }
  return { ...own, data, json, text, texts } as unknown as Json
}

/** What comes back is what somebody else's code says: header fields are looked at before they are sent. */
function patchOf(value: Json | undefined): never {
  if (value === undefined || value === null) return undefined as never
  if (!isObject(value)) throw new StepFailure('SCRIPT_FAILED', 'it returned what is no patch')
  const { answer, deny, consumer, headers } = value
  if (consumer !== undefined)
    throw new StepFailure('SCRIPT_FAILED', `it says who the consumer is: ${TRUST}`)
  for (const fields of [
    headers,
    (answer as JsonObject | undefined)?.['headers'],
    (deny as JsonObject | undefined)?.['headers'],
  ]) {
    for (const [name, field] of Object.entries((fields ?? {}) as JsonObject)) {
      const problem = field === null ? undefined : headerProblem(name, field)
      if (problem !== undefined)
        throw new StepFailure(
          'SCRIPT_FAILED',
          `the header field ${JSON.stringify(name)} ${problem}`,
        )
    }
  }
  return value as never
}

const TRUST = 'only trust: full allows that'

/** Null drops, so nothing at all must stay apart from it. */
function piecesOf(value: Json | undefined): never {
  return value as never
}
