/**
 * The door for plugins: everything that a plugin may use of the gateway, and nothing else.
 * In the published package this is the module `sluice`.
 */
import type Koa from 'koa'
import type { Infer, OptionsSchema } from './config/schema.ts'
import type { Script } from './config/script.ts'
import type { Stage } from './config/stages.ts'
import type {
  Chunk,
  ChunkPatch,
  Context,
  ExchangeView,
  Message,
  MessagePatch,
  Outcome,
  RequestPatch,
  ResponsePatch,
} from './exchange.ts'
import type { Part } from './expressions/expression.ts'
import type { Json, JsonObject } from './kit/json.ts'
import type { Channel, Counters, KeyValue, Ledger } from './store/store.ts'

export { bytes, duration, expression, script, scriptFile, secret } from './config/schema.ts'
export type { Infer, OptionsSchema, Schema } from './config/schema.ts'
export type { Script } from './config/script.ts'
export { STAGES } from './config/stages.ts'
export type { Stage } from './config/stages.ts'
export { ERRORS, GatewayError, StepFailure } from './errors.ts'
export type { TextKind } from './dialects/dialect.ts'
export type { ErrorCode, ErrorOptions } from './errors.ts'
export type * from './exchange.ts'
export type { Expression, Part, Scope } from './expressions/expression.ts'
export type { ByteSink, ByteSource } from './kit/byte-source.ts'
export type { Json, JsonObject } from './kit/json.ts'
export { Secret } from './kit/secret.ts'
export type * from './store/store.ts'
export { Reservations, tokensUsed } from './store/reservations.ts'
export type {
  Estimate,
  Hold,
  OnStoreError,
  ReservationsOptions,
  Reserved,
} from './store/reservations.ts'
export { StoreUnavailable } from './store/unavailable.ts'

/** Something that one step establishes and later steps build on, such as `consumer`. */
export type Fact = string

/** What a plugin declares of itself, and its code. */
export interface Plugin<S extends OptionsSchema = OptionsSchema> {
  /** The YAML key, the folder, the file, the schema and the test. */
  readonly name: string
  readonly stage: Stage
  /** One sentence: the line in `sluice list`, in the README and in the editor. */
  readonly summary: string
  readonly schema: S
  readonly status?: 'experimental'
  /** Changes when its code does, where another version of it can be loaded while the gateway runs. */
  readonly revision?: string
  /** Facts that an earlier step must have provided. */
  readonly needs?: readonly Fact[]
  readonly provides?: readonly Fact[]
  /** Facts that it can do without, at a loss: `check` warns, at the option, where no earlier step provides them. */
  readonly wishes?: (options: Infer<S>) => readonly Wish[]
  /** Parts of the exchange that its code reads; what its expressions read is known without saying. */
  readonly reads?: readonly Part[] | ((options: Infer<S>) => readonly Part[])
  /** Parts of the exchange that it may change. */
  readonly writes?: readonly Part[] | ((options: Infer<S>) => readonly Part[])
  /** How often, at most, it calls `next`; absent means once. More than once means a new attempt each time. */
  readonly attempts?: (options: Infer<S>) => number
  /** Upstreams that its options name, with the path of the option: they are checked, and are the routes' own. */
  readonly upstreams?: (
    options: Infer<S>,
  ) => readonly { readonly name: string; readonly path: readonly (string | number)[] }[]
  /** True where no exchange gets past this step, so that one below it is a mistake. */
  readonly ends?: (options: Infer<S>) => boolean
  /** `charges`: spends per call, so it must not stand below a step that retries. `redacts`: hides, so it must not stand below a step that stores. */
  readonly traits?: readonly ('charges' | 'redacts')[]
  /** What kinds of route it has something to do on; absent means both. `check` warns of a step that can never run. */
  readonly protocols?: (options: Infer<S>) => readonly ('http' | 'websocket')[]
  /** What the schema cannot say. Pure: no network, no files; runs in `sluice check`. */
  check?(options: Infer<S>, report: Report): void
  /** Makes one live step. What can be wrong is found here, not at the first request. */
  setup(options: Infer<S>, host: Host): Hooks | Promise<Hooks>
}

/** A fact that a step would like to have, and what it does without. */
export interface Wish {
  readonly fact: Fact
  /** From the step's options, such as `['limits', 'perAPIKey']`. */
  readonly path: readonly (string | number)[]
  /** Ends the sentence "no earlier step provides the fact, so …". */
  readonly without: string
}

/** Tells of a problem with an option: `path` from the step's options, such as `['limits', 0]`. */
export interface Report {
  error(path: readonly (string | number)[], message: string, hint?: string): void
  warning(path: readonly (string | number)[], message: string, hint?: string): void
}

/**
 * What a live step does. Hooks are declared by being there, so the plan of a route is known at load.
 * A hook that returns no promise costs none.
 */
export interface Hooks {
  /** On the way down. May throw a GatewayError. */
  request?(exchange: ExchangeView): RequestPatch | void | Promise<RequestPatch | void>
  /** On the way up, once the answer's head is known. */
  response?(exchange: ExchangeView): ResponsePatch | void | Promise<ResponsePatch | void>
  /** Koa middleware, for what must wrap: retry, cache, timing. `next()` is over when the answer's head is known; one that is not waited for is given up. */
  handle?(ctx: Context, next: () => Promise<void>): Promise<void> | void
  /** Each event of a streamed answer, and each plain answer as one chunk. One at a time: the next waits for a promise, and so does the upstream. */
  chunk?(chunk: Chunk, exchange: ExchangeView): ChunkPatch | Promise<ChunkPatch>
  /** The answer is complete: what was held back, if anything. Sent before the event that ends a stream, such as `[DONE]`. */
  flush?(exchange: ExchangeView): ChunkPatch | Promise<ChunkPatch>
  /** Each WebSocket message, in both directions. One at a time in each: the next waits for a promise, and so does its sender. */
  message?(message: Message, exchange: ExchangeView): MessagePatch | Promise<MessagePatch>
  /** Exactly once per exchange that came this far, after the answer; never delays the client. */
  done?(exchange: ExchangeView, outcome: Outcome): void | Promise<void>
  /** For `sluice explain`: what the step would do with a request that it lets pass, a line for each. No promises, no effects. */
  explain?(exchange: ExchangeView): readonly string[]
  /** Routes under `/admin/<plugin>` on the admin listener. */
  admin?: readonly AdminRoute[]
  /** Gives back what setup took. Called once, when no exchange uses the step any more; also after half a start. */
  close?(): void | Promise<void>
}

/** One operation for operators. JSON in, JSON out. */
export interface AdminRoute {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE'
  /** Below `/admin/<plugin>`: `/keys/{id}`. */
  readonly path: string
  readonly summary: string
  /** Each step answers for itself: where a plugin has several, `?step=` says which, by id or identity. */
  readonly perStep?: true
  handle(request: AdminRequest): AdminAnswer | Promise<AdminAnswer>
}

/** What an admin route gets. */
export interface AdminRequest {
  readonly params: Readonly<Record<string, string>>
  readonly query: Readonly<Record<string, string>>
  readonly body: Json | undefined
}

/** What an admin route answers; a string body is sent as text. */
export interface AdminAnswer {
  readonly status?: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Json
}

/** Writes constant messages with fields; secrets are masked. */
export interface Logger {
  debug(message: string, fields?: object): void
  info(message: string, fields?: object): void
  warn(message: string, fields?: object): void
  error(message: string, fields?: object): void
}

/** Counts. Labels come from closed sets: never a key, user text, a URL or a model name as the client wrote it. */
export interface Metrics {
  counter(
    name: string,
    help: string,
    labels?: readonly string[],
  ): { add(amount: number, labels?: Readonly<Record<string, string>>): void }
  gauge(
    name: string,
    help: string,
    labels?: readonly string[],
  ): { set(value: number, labels?: Readonly<Record<string, string>>): void }
  histogram(
    name: string,
    help: string,
    buckets: readonly number[],
    labels?: readonly string[],
  ): { observe(value: number, labels?: Readonly<Record<string, string>>): void }
}

/** Tells other steps of what happened: a limit was hit, a budget is spent. */
export interface Events {
  emit(name: string, data: JsonObject): void
  /** Returns a function that stops listening. */
  on(name: string, listener: (data: JsonObject) => void): () => void
}

/** An answer to `host.fetch`. */
export interface FetchAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[]>>
  readonly body: Buffer
}

/**
 * Everything from outside. It is revoked when the step is closed: timers, listeners and metrics of a closed
 * step are gone, and a late call does nothing.
 */
export interface Host {
  /**
   * The step's plugin and id, for messages. `identity` is the same across reloads, and in every process with the same
   * config: for keys of what this step alone counts or keeps.
   */
  readonly step: {
    readonly plugin: string
    readonly id: string
    readonly place: string
    readonly identity: string
  }
  /** Milliseconds since 1970. */
  now(): number
  /** From 0 up to 1. */
  random(): number
  readonly log: Logger
  readonly metrics: Metrics
  readonly events: Events
  readonly store: {
    /** Values of this plugin; `name` keeps several sorts apart. */
    keyValue(name?: string): KeyValue
    /** False where each process has a store of its own, so that it counts by itself. */
    readonly isShared: boolean
    readonly counters: Counters
    /** Counters of this process alone: for a step that goes on while the store is down. */
    readonly local: Counters
    readonly ledger: Ledger
    /** Messages between the instances of this plugin, on all nodes that share the store; `name` keeps several sorts apart. */
    channel(name?: string): Channel
  }
  readonly sandbox: Sandbox
  readonly upstreams: {
    readonly names: readonly string[]
    endpoints(name: string): readonly string[]
    /** How many keys it has. */
    keys(name: string): number
  }
  /**
   * One HTTP request, answered whole up to `limitBytes`. No redirects. Private addresses are refused unless the
   * URL's host stands in the step's own options.
   */
  fetch(
    url: string,
    options?: {
      method?: string
      headers?: Record<string, string>
      body?: string | Buffer
      timeoutMs?: number
      limitBytes?: number
    },
  ): Promise<FetchAnswer>
  /** Calls back every `ms`, give or take a tenth, until the step is closed. */
  every(ms: number, callback: () => void | Promise<void>): () => void
  /** Calls back once after `ms`, unless the step is closed before. */
  after(ms: number, callback: () => void | Promise<void>): () => void
  /** Aborted when the step is closed. */
  readonly signal: AbortSignal
  /** Loads a module of the operator's, or parses a `.json` file: `npm:NAME`, or a path as seen from the config file. */
  load(specifier: string): Promise<unknown>
}

/** What a script may cost, and where it runs. */
export interface ScriptSettings {
  /** `process` runs it in a process apart; `inline` in the gateway's own, which is quicker and trusts it more. */
  readonly sandbox: 'process' | 'inline'
  readonly timeoutMs: number
  readonly memoryBytes: number
  /** Characters of what it hands back. */
  readonly output: number
  /** Lines that it may log in one call. */
  readonly lines: number
  /** After so many failures in a row it is switched off for a while. */
  readonly breaker: { readonly failures: number; readonly pauseMs: number }
}

/** Runs scripts where they can hurt nobody. */
export interface Sandbox {
  /** Compiles it there. Rejects where that fails. */
  open(script: Script, settings: ScriptSettings): Promise<OpenScript>
}

/** A script that waits to be called. */
export interface OpenScript {
  /**
   * Shows it a view: the head, and as JSON the bodies of request and answer where it is to see them. Throws or rejects with a
   * StepFailure. No promise where it runs inline; undefined where it has changed and said nothing.
   */
  run(
    head: JsonObject,
    body?: string,
    answer?: string,
  ): ScriptResult | undefined | Promise<ScriptResult | undefined>
  close(): void
}

/** What a script has changed and said. */
export interface ScriptResult {
  /** `wants`: a key of the store, before it can go on. `invalid`: it has not run, for a body was no JSON. */
  readonly head: JsonObject
  /** The body, where it is another one now. */
  readonly body: Json | undefined
}

/** Koa's middleware type, for plugins that take some. */
export type Middleware = Koa.Middleware

/** Types a plugin's options by its schema. */
export function definePlugin<const S extends OptionsSchema>(plugin: Plugin<S>): Plugin<S> {
  return plugin
}
