import { endpointIn } from '../dialects/operations.ts'
import type { FrameEdit } from '../dialects/same-dialect.ts'
import { isObject, jsonOf } from '../kit/json.ts'
import { Newest } from '../kit/newest.ts'
import { type DeliverOptions, type LiveUpstream } from './ask.ts'
import type { LiveExchange } from './exchange.ts'

/** Stored responses whose upstream is remembered: the newest. Half a day of busy agents, at some 100 bytes each. */
const MAX_REMEMBERED = 50_000

/** Names of upstreams by the ids of responses that they store. Providers make ids that nobody else makes. */
const makers = new Newest<string, string>(MAX_REMEMBERED)

/** What a response's id looks like, and where it stands first in an answer or an event. */
const ID = /"id":\s*"(resp_[\w-]{1,200})"/

/** The route's upstreams that store responses themselves. */
export function respondersOf({ route, upstreams }: DeliverOptions): readonly LiveUpstream[] {
  return route.upstreams
    .flatMap((name) => upstreams.get(name) ?? [])
    .filter(({ upstream }) => upstream.dialects.includes('openai-responses'))
}

/**
 * The upstream that stores the response which a request is about: by its path, or as the one that it goes on from.
 * Where only one upstream of the route can store any, it is that one. Undefined where a request is about none.
 */
export function makerOf(
  exchange: LiveExchange,
  { upstreams }: DeliverOptions,
  responders: readonly LiveUpstream[],
): LiveUpstream | undefined {
  if (responders.length === 0 || exchange.chosen !== undefined) return undefined
  const id = storedId(exchange)
  if (id === undefined) return undefined
  const known = upstreams.get(makers.get(id) ?? '')
  if (known !== undefined) return known
  return responders.length === 1 ? responders[0] : undefined
}

function storedId({ req }: LiveExchange): string | undefined {
  if (req.dialect !== 'openai-responses') return undefined
  const known = endpointIn('openai-responses', req.method, req.apiPath, req.headers)
  if (known?.endpoint.operation === 'stored-responses') return known.params['id']
  const previous = isObject(req.body) ? req.body['previous_response_id'] : undefined
  if (typeof previous === 'string') return previous
  if (!req.bytes?.includes('"previous_response_id"')) return undefined
  const body = jsonOf(req.bytes)
  const stated = isObject(body) ? body['previous_response_id'] : undefined
  return typeof stated === 'string' ? stated : undefined
}

/** True for a request whose answer may be stored: on routes where several upstreams could have made it. */
export function mayBeStored({ req }: LiveExchange, responders: readonly LiveUpstream[]): boolean {
  if (responders.length < 2 || req.dialect !== 'openai-responses') return false
  const known = endpointIn('openai-responses', req.method, req.apiPath, req.headers)
  return known?.endpoint.operation === 'responses'
}

/** Remembers who has made the response that a whole answer tells. */
export function rememberWhole(body: Buffer, upstream: string): void {
  remember(ID.exec(body.toString('utf8', 0, 512))?.[1], upstream)
}

/** Remembers who has made the response that a stream tells: its first events say the id. */
export function remembering(upstream: string): FrameEdit {
  let isKnown = false
  return (frame) => {
    if (isKnown || !frame.raw.includes('"response.')) return frame
    const id = ID.exec(frame.raw.toString('utf8', 0, 1024))?.[1]
    isKnown = id !== undefined
    remember(id, upstream)
    return frame
  }
}

function remember(id: string | undefined, upstream: string): void {
  if (id === undefined) return
  makers.delete(id)
  makers.set(id, upstream)
}
