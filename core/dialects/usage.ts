import { isObject, type Json, jsonOf, tailOf } from '../kit/json.ts'
import type { Frame } from '../kit/sse.ts'
import type { Dialect, StreamFollower, Usage, UsageReader } from './dialect.ts'
import { type EstimateRequest, estimateTokens } from './estimate.ts'

/** A token count as a provider stated it: a finite number that is not negative, else undefined. */
export function countOf(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0 ? value : undefined
}

/** Usage of a plain answer; undefined where it is no JSON, or tells none. Its end is enough where the count stands there. */
export function usageOfAnswer(dialect: Dialect, bytes: Buffer): Usage | undefined {
  const { usageMember } = dialect
  if (usageMember === undefined) return undefined
  const body = tailOf(bytes, usageMember) ?? jsonOf(bytes)
  return body === undefined ? undefined : dialect.usageOf(body)
}

/** Builds the inclusive record; what was not stated is left out, and the total is the sum where there is none. */
export function makeUsage(counts: {
  readonly input: number
  readonly output: number
  readonly total?: number | undefined
  readonly cacheRead?: number | undefined
  readonly cacheWrite?: number | undefined
  readonly reasoning?: number | undefined
}): Usage {
  const { input, output, total, cacheRead, cacheWrite, reasoning } = counts
  return {
    inputTokens: input,
    outputTokens: output,
    totalTokens: total ?? input + output,
    ...(cacheRead === undefined ? {} : { cacheReadTokens: cacheRead }),
    ...(cacheWrite === undefined ? {} : { cacheWriteTokens: cacheWrite }),
    ...(reasoning === undefined ? {} : { reasoningTokens: reasoning }),
  }
}

/** The `model` field of a body. */
export function modelInBody(body: Json | undefined): string | undefined {
  return isObject(body) && typeof body['model'] === 'string' ? body['model'] : undefined
}

/** Anthropic tells the input's count in the first event; a ping may come before it. */
const HEAD_FRAMES = 2
/** All APIs tell the rest in the last events, or in each. Some send a few that are empty behind. */
const TAIL_FRAMES = 8

/** Of the frames between head and tail, one in so many is parsed to see how much text they hold. */
const SAMPLED = 16

/**
 * Follows a stream that nobody else parses. Only the first and the last few frames can tell the usage, so each frame
 * costs no more than remembering it: `usage` and `isComplete` are for the stream's end, and parse what was remembered.
 * How much text was delivered is known from those, and from a sample of the frames between.
 */
export abstract class StreamReader implements UsageReader {
  #seen = 0
  #tail: Frame[] = []
  #oldest = 0
  #parsedText = 0
  /** Frames that were let go unparsed: all of them, and the sample. Bytes. */
  #passed = 0
  #passedBytes = 0
  #sampleBytes = 0
  #sampleText = 0

  readFrame(frame: Frame): void {
    if (frame.raw[0] === COLON) return
    if (this.#seen < HEAD_FRAMES) {
      this.#seen++
      this.#parse(frame)
    } else if (this.#tail.length < TAIL_FRAMES) {
      this.#tail.push(frame)
    } else {
      this.#letGo(this.#tail[this.#oldest]!)
      this.#tail[this.#oldest] = frame
      this.#oldest = (this.#oldest + 1) % TAIL_FRAMES
    }
  }

  read(event: Json): void {
    this.#parsedText += this.textBytesOf(event)
    this.readEvent(event)
  }

  usage(): Usage | undefined {
    this.#drain()
    return this.currentUsage()
  }

  isComplete(): boolean {
    this.#drain()
    return this.hasEnded()
  }

  deliveredBytes(): number {
    this.#drain()
    if (this.#sampleBytes === 0) return this.#parsedText
    const share = this.#sampleText / this.#sampleBytes
    return this.#parsedText + Math.round(this.#passedBytes * share)
  }

  protected abstract readEvent(event: Json): void
  /** Bytes of generated text in an event. */
  protected abstract textBytesOf(event: Json): number
  /** What the events that were read so far have told. */
  protected abstract currentUsage(): Usage | undefined
  protected abstract hasEnded(): boolean
  /** For `[DONE]`, the one event that isn't JSON. */
  protected readDone(): void {}
  /** False for a frame that repeats text which others have brought. */
  protected bringsText(frame: Frame): boolean {
    return frame.raw.length > 0
  }

  #letGo(frame: Frame): void {
    if (!this.bringsText(frame)) return
    this.#passedBytes += frame.raw.length
    if (this.#passed++ % SAMPLED !== 0 || frame.isComment) return
    const event = jsonOf(frame.data)
    this.#sampleBytes += frame.raw.length
    if (event !== undefined) this.#sampleText += this.textBytesOf(event)
  }

  #drain(): void {
    const frames = [...this.#tail.slice(this.#oldest), ...this.#tail.slice(0, this.#oldest)]
    this.#tail = []
    this.#oldest = 0
    for (const frame of frames) this.#parse(frame)
  }

  #parse(frame: Frame): void {
    if (frame.isComment) return
    if (frame.data === '[DONE]') this.readDone()
    else {
      const event = jsonOf(frame.data)
      if (event !== undefined) this.read(event)
    }
  }
}

const COLON = 58

/** UTF-8 bytes of a value that may be text. */
export function bytesOf(value: unknown): number {
  return typeof value === 'string' ? Buffer.byteLength(value) : 0
}

/** Bytes of text that make a token: between prose (4.5) and code or Chinese (3). For what has been used, not for a bound. */
const BYTES_PER_TOKEN = 3

/**
 * The usage of a stream as it stands. Where its end was seen and it has told its usage, that is it. Else each count is
 * what was told or what the gateway has counted, whichever is more: a stream that was cut has told the output of its
 * beginning at most (Anthropic begins with 1), and some upstreams never tell. Undefined where it ended without telling
 * or bringing anything.
 */
export function usageOfStream(
  stream: StreamFollower,
  estimateInput: () => number,
): Usage | undefined {
  const told = stream.usage()
  const isComplete = stream.isComplete()
  if (told !== undefined && isComplete) return told
  const own = Math.ceil(stream.deliveredBytes() / BYTES_PER_TOKEN)
  if (told === undefined && isComplete && own === 0) return undefined
  const inputTokens = told?.inputTokens ?? estimateInput()
  const outputTokens = Math.max(told?.outputTokens ?? 0, own)
  const totalTokens = inputTokens + outputTokens
  return { ...told, inputTokens, outputTokens, totalTokens, isEstimated: true }
}

/** The tokens of a prompt that nobody has told: not from above, but as they are likely to be. */
export function likelyInput(request: EstimateRequest): number {
  return estimateTokens(request, { bytesPerToken: BYTES_PER_TOKEN, maxOutputTokens: 0 }).inputTokens
}
