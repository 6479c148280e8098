import {
  type ExchangeView,
  type Host,
  type Json,
  type JsonObject,
  type KeyValue,
  type OpenScript,
  type Script,
  type ScriptResult,
  type ScriptSettings,
  StepFailure,
} from '#core/sdk.ts'

/** Keys of the store that one call may read. */
const MAX_READS = 8
/** How long a value is kept where the script does not say, and at most. Milliseconds. */
const TTL_MS = 3_600_000
const MAX_TTL_MS = 30 * 86_400_000

/** What a script is shown: the head of a view, and the bodies of request and answer. */
type Shown = readonly [view: JsonObject, body?: string | undefined, answer?: string | undefined]

/** Calls a script, and does for it what it cannot do in there: read the store, write to it, write to the log. */
export class Caller {
  readonly #host: Host
  readonly #script: OpenScript
  readonly #store: KeyValue

  private constructor(host: Host, script: OpenScript, store: KeyValue) {
    this.#host = host
    this.#script = script
    this.#store = store
  }

  static async open(
    script: Script,
    host: Host,
    store: string,
    settings: ScriptSettings,
  ): Promise<Caller> {
    return new Caller(host, await host.sandbox.open(script, settings), host.store.keyValue(store))
  }

  /** Runs the script on a view and turns what it says into a patch. No promise where none is needed. */
  call<P>(
    exchange: ExchangeView,
    shown: Shown,
    toPatch: (result: ScriptResult) => P,
  ): P | undefined | Promise<P | undefined> {
    const result = this.#script.run(...shown)
    if (result === undefined) return undefined
    const finish = (one: ScriptResult | undefined) => one && this.#finish(exchange, one, toPatch)
    const goOn = (one: ScriptResult | undefined) =>
      one?.head['wants'] === undefined ? finish(one) : this.#withStore(shown, one).then(finish)
    return result instanceof Promise ? result.then(goOn) : goOn(result)
  }

  close(): void {
    this.#script.close()
  }

  /**
   * A script that asks for a key of the store ends there, and runs again from its beginning with the value at hand:
   * that is what lets it be synchronous. It is pure, so the second run comes to the same place.
   */
  async #withStore(shown: Shown, first: ScriptResult): Promise<ScriptResult | undefined> {
    const [view, ...bodies] = shown
    const values: JsonObject = {}
    let result: ScriptResult | undefined = first
    for (let reads = 0; result?.head['wants'] !== undefined; reads++) {
      if (reads === MAX_READS) {
        throw new StepFailure('SCRIPT_FAILED', `it reads more than ${MAX_READS} keys of the store`)
      }
      const key = result.head['wants'] as string
      values[key] = (await this.#store.get(key)) ?? null
      result = await this.#script.run({ ...view, store: values }, ...bodies)
    }
    return result
  }

  #finish<P>(
    exchange: ExchangeView,
    result: ScriptResult,
    toPatch: (result: ScriptResult) => P,
  ): P | Promise<P> {
    const { invalid, lines = [], dropped = 0, writes = [] } = result.head as JsonObject & Said
    if (invalid === true) refuseBody(exchange)
    for (const line of lines) this.#host.log.info('script says', { id: exchange.id, line })
    if (dropped > 0)
      this.#host.log.warn('script says more than it may', { id: exchange.id, dropped })
    const patch = toPatch(result)
    if (writes.length === 0) return patch
    // The next request may ask for it at once.
    return this.#write(writes).then(() => patch)
  }

  async #write(writes: readonly Write[]): Promise<void> {
    for (const { key, text, ttl } of writes) {
      if (text === undefined) await this.#store.delete(key)
      else await this.#store.set(key, JSON.parse(text) as Json, ttlOf(ttl))
    }
  }
}

/** Nobody has parsed it before: who asks for it now is told what is wrong, and where. */
function refuseBody({ req }: ExchangeView): never {
  void req.body
  throw new StepFailure('SCRIPT_FAILED', 'the body is not JSON')
}

interface Said {
  readonly invalid?: boolean
  readonly lines?: string[]
  readonly dropped?: number
  readonly writes?: Write[]
}

interface Write {
  readonly key: string
  /** The value as JSON; absent where the key is removed. */
  readonly text?: string
  /** Milliseconds. */
  readonly ttl?: number | null
}

function ttlOf(ttl: number | null | undefined): number {
  if (ttl === null || ttl === undefined) return TTL_MS
  if (typeof ttl === 'number' && ttl >= 1 && ttl <= MAX_TTL_MS) return ttl
  throw new StepFailure(
    'SCRIPT_FAILED',
    `store.set takes a ttl from 1 ms to 30 days, got ${JSON.stringify(ttl)}`,
  )
}
