import { isObject, type Json, jsonOf } from '../kit/json.ts'
import type { Frame } from '../kit/sse.ts'
import type { Usage, UsageReader } from './dialect.ts'

/** A token count as a provider stated it: a finite number that is not negative, else undefined. */
export function countOf(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0 ? value : undefined
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

/**
 * Follows a stream that nobody else parses. Only the first and the last few frames can matter, so each frame costs
 * no more than remembering it: `usage` and `isComplete` are for the stream's end, and parse what was remembered.
 */
export abstract class StreamReader implements UsageReader {
  #seen = 0
  #tail: Frame[] = []
  #oldest = 0

  readFrame(frame: Frame): void {
    if (frame.raw[0] === COLON) return
    if (this.#seen < HEAD_FRAMES) {
      this.#seen++
      this.#parse(frame)
    } else if (this.#tail.length < TAIL_FRAMES) {
      this.#tail.push(frame)
    } else {
      this.#tail[this.#oldest] = frame
      this.#oldest = (this.#oldest + 1) % TAIL_FRAMES
    }
  }

  usage(): Usage | undefined {
    this.#drain()
    return this.currentUsage()
  }

  isComplete(): boolean {
    this.#drain()
    return this.hasEnded()
  }

  abstract read(event: Json): void
  /** What the events that were read so far have told. */
  protected abstract currentUsage(): Usage | undefined
  protected abstract hasEnded(): boolean
  /** For `[DONE]`, the one event that isn't JSON. */
  protected readDone(): void {}

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
