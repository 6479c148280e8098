import type { UsageReader } from '../dialects/dialect.ts'
import type { FrameEdit } from '../dialects/same-dialect.ts'
import { streamEndOf } from '../dialects/stream-end.ts'
import { GatewayError } from '../errors.ts'
import { TEXT_FORMATS } from '../dialects/texts/index.ts'
import type { Chunk, ChunkPatch } from '../exchange.ts'
import type { ByteSink, ByteSource } from '../kit/byte-source.ts'
import { Line, LineParser } from '../kit/lines.ts'
import { Frame, SseParser } from '../kit/sse.ts'
import { TextParser, TextPiece } from '../kit/text-pieces.ts'
import { type Framing, MadeChunk, type Piece, ReceivedChunk, type SentChunk } from './chunks.ts'
import type { LiveExchange } from './exchange.ts'
import { flushed, patched } from './patched.ts'
import { type LiveStep, stepFailed } from './step.ts'
import { TextStage, type Written } from './text-stage.ts'

/** What a pipe needs. */
export interface PipeOptions {
  readonly exchange: LiveExchange
  /** Steps whose hooks the stream passes, innermost first. */
  readonly hooks: readonly LiveStep[]
  readonly framing: Framing
  /** Counts tokens; undefined where nobody asks for them. */
  readonly reader: UsageReader | undefined
  /** True for a stream whose dialect has an event for its end: without it, it was cut. */
  readonly mustComplete?: boolean
  /** Changes what the upstream has sent, before anybody sees it. */
  readonly edit?: FrameEdit | undefined
  /** Where the stream comes from: made to wait while a hook thinks, and given up where one breaks. */
  readonly source: Pick<ByteSource, 'resume' | 'abort'>
  readonly to: ByteSink
}

/** A chunk on its way, and the hook that it stands before. */
interface Job {
  readonly chunk: SentChunk
  readonly at: number
  /** True where that step has nothing to be shown before it. */
  readonly isReady?: boolean
}

/**
 * A stream on its way to the client: cut into chunks, read for usage, shown to the `chunk` hooks, innermost step
 * first, all in one loop. Only whole events are passed on, so that an error event can follow at any time. Chunks that
 * no hook changes keep their bytes. While a hook thinks, the source waits: one chunk is shown at a time, in order. A
 * hook that breaks ends the stream as a broken one, after what was ready.
 */
export class EventPipe implements ByteSink {
  readonly #options: PipeOptions
  readonly #hooks: readonly LiveStep[]
  /** What each step has made of the texts. */
  readonly #stages: readonly TextStage[]
  readonly #parser: Pick<SseParser, 'push' | 'end'>
  #out: Buffer[] = []
  #size = 0
  /** A hook is thinking. */
  #isWaiting = false
  /** What one chunk has become and is not through yet; the next on top. */
  #jobs: Job[] = []
  /** What arrived while a hook was thinking: no more than the source had in its hands when it was asked to wait. */
  #queue: Piece[] = []
  /** The step that is asked next for what it has held back; undefined while it is not time. */
  #flushing: number | undefined
  /** True where `flush` has run, or no step has one. */
  #isFlushed: boolean
  /** The event that ends the answer, while the hooks are asked for what they have held back. */
  #last: SentChunk | undefined
  /** How the source ended, while a hook was thinking. */
  #end: 'ended' | Error | undefined
  #isOver = false

  constructor(options: PipeOptions) {
    this.#options = options
    this.#hooks = options.hooks
    const format = TEXT_FORMATS[options.exchange.req.dialect]
    this.#stages = options.hooks.map(() => new TextStage(format))
    this.#isFlushed = !options.hooks.some(({ hooks }) => hooks.flush)
    this.#parser = makeParser(options.framing, (piece) => this.#take(piece))
  }

  data(chunk: Buffer): boolean {
    if (this.#isOver) return false
    try {
      this.#parser.push(chunk)
    } catch (cause) {
      this.#breakAfterQueue(cause)
      return false
    }
    const isReady = this.#write(chunk)
    return isReady && !this.#isWaiting
  }

  end(): void {
    if (this.#isOver) return
    try {
      const rest = this.#parser.end()
      // An upstream that left out the last blank line; some clients read the event all the same.
      if (rest.length > 0) this.#take(lastPiece(this.#options.framing, rest))
      this.#end = 'ended'
      this.#proceed()
    } catch (cause) {
      this.#breakAfterQueue(cause)
    }
  }

  error(cause: Error): void {
    if (this.#isOver) return
    // What the upstream has sent goes first, unless nobody is there to have it.
    if (this.#isWaiting && this.#options.exchange.ended === undefined) this.#end ??= cause
    else this.#endWith(cause)
  }

  #take(received: Piece): void {
    const { reader, edit } = this.#options
    reader?.readFrame(received as Frame)
    const piece = edit === undefined ? received : edit(received as Frame)
    if (piece === undefined) return
    if (this.#isWaiting) return void this.#queue.push(piece)
    this.#showPiece(piece)
    if (this.#jobs.length > 0 || this.#flushing !== undefined) this.#proceed()
  }

  #showPiece(piece: Piece): void {
    if (this.#hooks.length === 0 || piece.isComment) return this.#add(piece.raw)
    const chunk = new ReceivedChunk(piece, this.#options.framing)
    if (this.#hasHeld && this.#endsHere(chunk)) this.#last = chunk
    else this.#show(chunk, 0)
  }

  /** True where something may be held back. */
  get #hasHeld(): boolean {
    return !this.#isFlushed || this.#stages.some((stage) => stage.isHolding)
  }

  /** True where the steps are to be asked first for what they have held back. */
  #endsHere(chunk: SentChunk): boolean {
    const end = streamEndOf(this.#options.exchange.req.dialect, chunk)
    if (end === 'complete') this.#flushing = 0
    else if (end === 'failed') {
      this.#isFlushed = true
      for (const stage of this.#stages) stage.drop()
    }
    return end === 'complete'
  }

  /** Does what is to be done, until a hook wants time. */
  #proceed(): void {
    while (!this.#isWaiting) {
      const job = this.#jobs.pop()
      if (job !== undefined) this.#show(job.chunk, job.at, job.isReady)
      else if (this.#flushing !== undefined) this.#flushNext(this.#flushing)
      else if (this.#queue.length > 0) this.#showPiece(this.#queue.shift()!)
      else if (this.#end === 'ended' && this.#hasHeld && !this.#isCut()) this.#flushing = 0
      else return this.#endIfOver()
    }
  }

  #endIfOver(): void {
    if (this.#end === undefined || this.#isOver) return
    if (this.#end !== 'ended') return this.#endWith(this.#end)
    if (this.#isCut()) return this.#endWith(endedEarly())
    this.#write(undefined)
    this.#isOver = true
    this.#options.to.end()
  }

  /** A proxy on the way may end a stream well that the provider did not end. */
  #isCut(): boolean {
    const { mustComplete = false, reader } = this.#options
    return mustComplete && reader?.isComplete() === false
  }

  /** Asks a step for what it has held back of the texts, then for the rest; after the last one the stream goes on. */
  #flushNext(at: number): void {
    const step = this.#hooks[at]
    if (step === undefined) {
      this.#flushing = undefined
      this.#isFlushed = true
      const last = this.#last
      this.#last = undefined
      if (last !== undefined) this.#jobs.push({ chunk: last, at: 0 })
      return
    }
    const rest = this.#stages[at]!.finish()
    if (rest.length > 0) return this.#push(rest, undefined, at, true)
    this.#flushing = at + 1
    if (this.#isFlushed || !step.hooks.flush) return
    const patch = call(step, 'flush', undefined, this.#options.exchange)
    if (patch instanceof Promise) this.#wait(patch, undefined, at)
    else this.#replace(patch, undefined, at)
  }

  /** Shows a chunk to the hooks from `at` on; what comes out is sent. */
  #show(first: SentChunk, at: number, isReady = false): void {
    let chunk = first
    for (let index = at; index < this.#hooks.length; index++) {
      const step = this.#hooks[index]!
      if (!step.hooks.chunk) continue
      const stage = this.#stages[index]!
      if (stage.isWatching && !(isReady && index === at) && this.#showFirst(chunk, index)) return
      chunk.enter(stage)
      const patch = call(step, 'chunk', chunk, this.#options.exchange)
      if (patch === undefined && !chunk.isRead && !stage.isWatching) continue
      if (patch instanceof Promise) return this.#wait(patch, chunk, index)
      const made = this.#made(patch, chunk, index)
      if (made === undefined) continue
      if (made.length !== 1) return this.#push(made, chunk, index + 1)
      chunk = this.#chunkOf(made[0], chunk)
    }
    this.#add(chunk.raw)
  }

  /** Queues what a step is to be shown before a chunk, or in its place. */
  #showFirst(chunk: SentChunk, at: number): boolean {
    const stage = this.#stages[at]!
    const before = stage.before(chunk)
    const righted = before.length > 0 ? undefined : stage.righted(chunk)
    if (before.length === 0 && righted === undefined) return false
    if (righted === undefined) this.#jobs.push({ chunk, at })
    this.#push(righted === undefined ? before : [righted], chunk, at, true)
    return true
  }

  /** Queues what a hook has made of a chunk before the next one. */
  #replace(patch: ChunkPatch, chunk: SentChunk | undefined, at: number): void {
    const made = this.#made(patch, chunk, at)
    if (made !== undefined) this.#push(made, chunk, at + 1)
    else if (chunk !== undefined) this.#jobs.push({ chunk, at: at + 1 })
  }

  /** What a hook has made of a chunk, or given in the end; undefined where the chunk goes on as it is. */
  #made(
    patch: ChunkPatch,
    chunk: SentChunk | undefined,
    at: number,
  ): readonly (Written | undefined)[] | undefined {
    try {
      return chunk === undefined ? flushed(patch) : patched(this.#stages[at]!, chunk, patch)
    } catch (cause) {
      stepFailed(this.#hooks[at]!, this.#options.exchange, cause)
      return undefined
    }
  }

  #push(
    made: readonly (Written | undefined)[],
    chunk: SentChunk | undefined,
    at: number,
    isReady = false,
  ): void {
    for (const written of made.toReversed()) {
      this.#jobs.push({ chunk: this.#chunkOf(written, chunk), at, isReady })
    }
  }

  #chunkOf(written: Written | undefined, chunk: SentChunk | undefined): SentChunk {
    return written === undefined ? chunk! : new MadeChunk(written, this.#options.framing)
  }

  #wait(promise: Promise<ChunkPatch>, chunk: SentChunk | undefined, at: number): void {
    this.#isWaiting = true
    // What is ready does not wait along.
    this.#write(undefined)
    promise.then(
      (patch) => this.#goOn(() => this.#replace(patch, chunk, at)),
      (cause: unknown) =>
        this.#goOn(() => {
          stepFailed(this.#hooks[at]!, this.#options.exchange, cause)
          this.#replace(undefined, chunk, at)
        }),
    )
  }

  #goOn(settle: () => void): void {
    if (this.#isOver) return
    this.#isWaiting = false
    try {
      settle()
      this.#proceed()
    } catch (cause) {
      return this.#break(cause)
    }
    if (this.#isOver) return
    if (this.#write(undefined) && !this.#isWaiting) this.#options.source.resume()
  }

  #add(raw: Buffer): void {
    this.#out.push(raw)
    this.#size += raw.length
  }

  /** Writes what is ready in one piece; the chunk itself where its frames are all there is. */
  #write(chunk: Buffer | undefined): boolean {
    const out = this.#out
    if (out.length === 0) return true
    const isWhole =
      chunk !== undefined && this.#size === chunk.length && out[0]!.buffer === chunk.buffer
    const piece = isWhole && this.#hooks.length === 0 ? chunk : join(out, this.#size)
    this.#out = []
    this.#size = 0
    return this.#options.to.data(piece)
  }

  /** What came before the fault is passed on, wherever the chunks begin and end. */
  #breakAfterQueue(cause: unknown): void {
    if (!this.#isWaiting) return this.#break(cause)
    this.#end = cause as Error
    this.#options.source.abort(cause as Error)
  }

  #break(cause: unknown): void {
    this.#endWith(cause as Error)
    this.#options.source.abort(cause as Error)
  }

  #endWith(cause: Error): void {
    this.#write(undefined)
    this.#isOver = true
    this.#jobs = []
    this.#queue = []
    this.#options.to.error(cause)
  }
}

function endedEarly(): GatewayError {
  const detail = 'the upstream ended the stream before the answer was complete'
  return new GatewayError('UPSTREAM_CUT', detail)
}

function call(
  step: LiveStep,
  hook: 'chunk' | 'flush',
  chunk: Chunk | undefined,
  exchange: LiveExchange,
): ChunkPatch | Promise<ChunkPatch> {
  try {
    return hook === 'chunk' ? step.hooks.chunk!(chunk!, exchange) : step.hooks.flush!(exchange)
  } catch (cause) {
    stepFailed(step, exchange, cause)
    return undefined
  }
}

function makeParser(framing: Framing, onPiece: (piece: Piece) => void) {
  if (framing === 'events') return new SseParser(onPiece)
  if (framing === 'lines') return new LineParser(onPiece)
  return new TextParser(onPiece)
}

function lastPiece(framing: Framing, rest: Buffer): Piece {
  if (framing === 'events') return new Frame(rest)
  return framing === 'lines' ? new Line(rest) : new TextPiece(rest)
}

function join(pieces: readonly Buffer[], size: number): Buffer {
  return pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces, size)
}
