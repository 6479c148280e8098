import type { LlmDialect } from '#core/dialects/dialect.ts'
import { momentOf } from '#core/dialects/stream-start.ts'
import { type Json, jsonOf } from '#core/kit/json.ts'
import { type Frame, SseParser } from '#core/kit/sse.ts'
import type { Watch } from './held-stream.ts'

/** How a stream began. */
export type Start =
  | { readonly as: 'content' }
  /** The stream told an error before anything else. */
  | { readonly as: 'error'; readonly event: Json }
  /** The stream broke before anything was said. */
  | { readonly as: 'cut'; readonly cause: Error }

const CONTENT: Start = { as: 'content' }

/** Waits for an event stream's first content, or the error that comes in its place. */
export function watchStart(dialect: LlmDialect): Watch<Start> {
  let start: Start | undefined
  const parser = new SseParser((frame) => {
    start ??= startOf(frame, dialect)
  })
  return {
    data(chunk) {
      try {
        parser.push(chunk)
      } catch {
        // A frame that is too large is for whoever reads it next to refuse.
        return CONTENT
      }
      return start
    },
    end: () => start ?? CONTENT,
    error: (cause) => ({ as: 'cut', cause }),
    giveUp: () => CONTENT,
  }
}

function startOf(frame: Frame, dialect: LlmDialect): Start | undefined {
  if (frame.isComment) return undefined
  const event = jsonOf(frame.data)
  if (event === undefined) return CONTENT
  const moment = momentOf[dialect](event)
  if (moment === 'opening') return undefined
  return moment === 'error' ? { as: 'error', event } : CONTENT
}

/** Gathers the body of an error; empty where it is too large or breaks off. */
export function watchBody(): Watch<Buffer> {
  const chunks: Buffer[] = []
  const nothing = () => Buffer.alloc(0)
  return {
    data(chunk) {
      chunks.push(chunk)
      return undefined
    },
    end: () => Buffer.concat(chunks),
    error: nothing,
    giveUp: nothing,
  }
}
