import { EventStreamCodec } from '@smithy/eventstream-codec'
import type { Json } from '#core/kit/json.ts'

const codec = new EventStreamCodec(
  (bytes) => (typeof bytes === 'string' ? bytes : Buffer.from(bytes).toString('utf8')),
  (text) => Buffer.from(text, 'utf8'),
)

function frame(headers: Readonly<Record<string, string>>, payload: Json): Buffer {
  const typed = Object.entries({ ':content-type': 'application/json', ...headers }).map(
    ([name, value]) => [name, { type: 'string' as const, value }],
  )
  const body = Buffer.from(JSON.stringify(payload))
  return Buffer.from(codec.encode({ headers: Object.fromEntries(typed), body }))
}

/** An event as AWS's own library writes it. */
export function eventFrame(type: string, payload: Json): Buffer {
  return frame({ ':message-type': 'event', ':event-type': type }, payload)
}

/** An exception within a stream. */
export function exceptionFrame(type: string, message: string): Buffer {
  return frame({ ':message-type': 'exception', ':exception-type': type }, { message })
}

/** A recorded stream, `{ [type]: payload }` by event, as the bytes that it was. */
export function eventFrames(events: readonly Json[]): Buffer {
  const frames = events.flatMap((event) =>
    Object.entries(event as Record<string, Json>).map(([type, payload]) =>
      eventFrame(type, payload),
    ),
  )
  return Buffer.concat(frames)
}
