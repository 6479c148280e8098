import type { UsageReader } from '../dialects/dialect.ts'
import type { Chunk, ChunkPatch, NewChunk } from '../exchange.ts'
import type { ByteSink } from '../kit/byte-source.ts'
import { type Json, jsonOf } from '../kit/json.ts'
import { Frame, formatEvent, SseParser } from '../kit/sse.ts'
import type { LiveExchange } from './exchange.ts'
import { type LiveStep, stepFailed } from './step.ts'

/**
 * A stream of events on its way to the client: cut into frames, read for usage, shown to the `chunk` hooks, innermost
 * step first, all in one loop. Only whole frames are passed on, so that an error event can follow at any time.
 * Frames that no hook changes keep their bytes.
 */
export class EventPipe implements ByteSink {
  readonly #exchange: LiveExchange
  readonly #hooks: readonly LiveStep[]
  readonly #reader: UsageReader | undefined
  readonly #to: ByteSink
  readonly #parser: SseParser
  #out: Buffer[] = []
  #size = 0

  constructor(
    exchange: LiveExchange,
    hooks: readonly LiveStep[],
    reader: UsageReader | undefined,
    to: ByteSink,
  ) {
    this.#exchange = exchange
    this.#hooks = hooks
    this.#reader = reader
    this.#to = to
    this.#parser = new SseParser((frame) => this.#take(frame))
  }

  data(chunk: Buffer): boolean {
    try {
      this.#parser.push(chunk)
    } catch (cause) {
      // What came before the fault is passed on, wherever the chunks begin and end.
      this.#flush(undefined)
      throw cause
    }
    return this.#flush(chunk)
  }

  end(): void {
    const rest = this.#parser.end()
    // An upstream that left out the last blank line; some clients read the event all the same.
    if (rest.length > 0) this.#take(new Frame(rest))
    this.#hooks.forEach((step, index) => {
      if (step.hooks.flush) this.#replace(call(step, 'flush', undefined, this.#exchange), index + 1)
    })
    this.#flush(undefined)
    this.#to.end()
  }

  error(cause: Error): void {
    this.#to.error(cause)
  }

  #take(frame: Frame): void {
    this.#reader?.readFrame(frame)
    if (this.#hooks.length === 0 || frame.isComment) this.#add(frame.raw)
    else this.#show(new FrameChunk(frame), 0)
  }

  /** Shows a chunk to the hooks from `at` on; what comes out is sent. */
  #show(chunk: SentChunk, at: number): void {
    for (let index = at; index < this.#hooks.length; index++) {
      const step = this.#hooks[index]!
      if (!step.hooks.chunk) continue
      const patch = call(step, 'chunk', chunk, this.#exchange)
      if (patch !== undefined) return this.#replace(patch, index + 1, chunk.event)
    }
    this.#add(chunk.raw)
  }

  #replace(patch: ChunkPatch, at: number, event = 'message'): void {
    if (patch === undefined || patch === null) return
    if (!isList(patch)) return this.#show(new MadeChunk(patch, event), at)
    for (const one of patch) this.#show(new MadeChunk(one, event), at)
  }

  #add(raw: Buffer): void {
    this.#out.push(raw)
    this.#size += raw.length
  }

  /** Writes what is ready in one piece; the chunk itself where its frames are all there is. */
  #flush(chunk: Buffer | undefined): boolean {
    const out = this.#out
    if (out.length === 0) return true
    const isWhole =
      chunk !== undefined && this.#size === chunk.length && out[0]!.buffer === chunk.buffer
    const piece = isWhole && this.#hooks.length === 0 ? chunk : join(out, this.#size)
    this.#out = []
    this.#size = 0
    return this.#to.data(piece)
  }
}

/** Shows a plain answer, as one chunk, to the hooks that a stream would pass. */
export function showWhole(exchange: LiveExchange, hooks: readonly LiveStep[]): void {
  const { res } = exchange
  const bytes = res.bytes
  if (bytes === undefined || bytes.length === 0 || !isText(res.header('content-type'))) return
  const first = new WholeChunk(bytes.toString())
  let chunks: readonly (WholeChunk | MadeChunk)[] = [first]
  for (const step of hooks) {
    if (!step.hooks.chunk) continue
    chunks = chunks.flatMap((chunk) => {
      const patch = call(step, 'chunk', chunk, exchange)
      if (patch === undefined) return [chunk]
      if (patch === null) return []
      return (isList(patch) ? patch : [patch]).map((made) => new MadeChunk(made, 'message', true))
    })
  }
  if (chunks.length === 1 && chunks[0] === first) return
  res.body = chunks.map((chunk) => chunk.data).join('')
}

interface SentChunk extends Chunk {
  readonly raw: Buffer
}

/** An event as the upstream sent it. */
class FrameChunk implements SentChunk {
  readonly isWhole = false
  readonly #frame: Frame
  #json: Json | undefined
  #isParsed = false

  constructor(frame: Frame) {
    this.#frame = frame
  }

  get event(): string {
    return this.#frame.event
  }

  get data(): string {
    return this.#frame.data
  }

  get raw(): Buffer {
    return this.#frame.raw
  }

  get json(): Json | undefined {
    if (!this.#isParsed) {
      this.#isParsed = true
      this.#json = jsonOf(this.#frame.data)
    }
    return this.#json
  }
}

/** A plain answer. */
class WholeChunk implements Chunk {
  readonly event = 'message'
  readonly data: string
  readonly isWhole = true

  constructor(data: string) {
    this.data = data
  }

  get json(): Json | undefined {
    return jsonOf(this.data)
  }
}

/** An event that a hook made. */
class MadeChunk implements SentChunk {
  readonly event: string
  readonly isWhole: boolean
  readonly #made: NewChunk
  #data: string | undefined

  constructor(made: NewChunk, event: string, isWhole = false) {
    this.#made = made
    this.event = made.event ?? event
    this.isWhole = isWhole
  }

  get data(): string {
    this.#data ??= this.#made.data ?? JSON.stringify(this.#made.json ?? null)
    return this.#data
  }

  get json(): Json | undefined {
    return this.#made.data === undefined ? this.#made.json : jsonOf(this.#made.data)
  }

  get raw(): Buffer {
    const event = this.event === 'message' ? undefined : this.event
    return Buffer.from(formatEvent(event, this.data))
  }
}

function call(
  step: LiveStep,
  hook: 'chunk' | 'flush',
  chunk: Chunk | undefined,
  exchange: LiveExchange,
): ChunkPatch {
  try {
    const patch =
      hook === 'chunk' ? step.hooks.chunk!(chunk!, exchange) : step.hooks.flush!(exchange)
    return notLater(patch, hook)
  } catch (cause) {
    stepFailed(step, exchange, cause)
    return undefined
  }
}

/** Refuses a promise: events are not held back. Nobody else hears of its failure. */
export function notLater<P>(patch: P, hook: string): P {
  if (!(patch instanceof Promise)) return patch
  patch.catch(() => undefined)
  throw new TypeError(`the ${hook} hook returned a promise`)
}

function isList(patch: NewChunk | readonly NewChunk[]): patch is readonly NewChunk[] {
  return Array.isArray(patch)
}

function join(pieces: readonly Buffer[], size: number): Buffer {
  return pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces, size)
}

/** True for the types whose body hooks can make sense of; images and the like are passed by. */
function isText(type: string | undefined): boolean {
  return type !== undefined && /^(text\/|application\/([\w.-]+\+)?(json|xml|x-ndjson))/.test(type)
}
