import { IncomingMessage, ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import type { Config } from '../../config/model.ts'
import type { Consumer, Headers } from '../../exchange.ts'
import { LiveExchange, LiveRequest, LiveResponse } from '../../kernel/exchange.ts'
import { normalisePath } from '../../kernel/normalise.ts'

/** A request as somebody described it. */
export interface DescribedRequest {
  readonly method: string
  /** A path with or without a query, or a whole URL. */
  readonly target: string
  readonly headers: readonly (readonly [name: string, value: string])[]
  readonly body: Buffer | undefined
  readonly ip: string
  readonly isWebSocket: boolean
  /** Who asks: takes the place of what the steps that identify callers would find out. */
  readonly consumer?: Consumer | undefined
}

/** Makes the request that the listener would hand on. Throws BAD_REQUEST where the target would be refused. */
export function liveRequest(described: DescribedRequest, config: Config): LiveRequest {
  const { body, ip, isWebSocket } = described
  const method = described.method.toUpperCase()
  const { host, target } = locate(described.target)
  const { path, query } = normalisePath(target, config.server)
  const raw = new IncomingMessage(new Socket())
  const headers = headersOf(described, host)
  Object.assign(raw, { method, url: target, headers })
  if (body !== undefined) raw.push(body)
  raw.push(null)
  return new LiveRequest({
    raw,
    id: 'explain',
    method,
    path,
    search: query,
    headers,
    host: headers['host'] ?? host,
    ip,
    // Only told to upstreams, and none is asked.
    scheme: 'http',
    protocol: isWebSocket ? 'websocket' : 'http',
    hasBody: body !== undefined && body.length > 0,
  })
}

/** An exchange that nothing has happened to, and that nobody listens to. */
export function liveExchange(
  req: LiveRequest,
  route: string,
  env: Config['env'],
  now: number,
): LiveExchange {
  const res = new LiveResponse(new ServerResponse(req.raw))
  return new LiveExchange({ id: 'explain', route, req, res, env, now })
}

/** Tells a URL's host from its target, which is left as it is: it has its own checks. */
function locate(text: string): { host: string; target: string } {
  const url = /^(?:https?|wss?):\/\/([^/?#]+)(.*)$/is.exec(text)
  if (url === null) return { host: 'localhost', target: text }
  const [, host = '', rest = ''] = url
  return { host, target: rest.startsWith('/') ? rest : `/${rest}` }
}

/** What curl would send, JSON assumed for a body: lower-case names, a field that came twice joined. */
function headersOf({ headers, body, isWebSocket }: DescribedRequest, host: string): Headers {
  const fields = Object.create(null) as Headers
  fields['host'] = host
  if (isWebSocket) Object.assign(fields, { connection: 'Upgrade', upgrade: 'websocket' })
  if (body !== undefined) {
    fields['content-type'] = 'application/json'
    fields['content-length'] = String(body.length)
  }
  const given = new Set<string>()
  for (const [name, value] of headers) {
    const field = name.toLowerCase()
    fields[field] = given.has(field) ? `${fields[field]}, ${value}` : value
    given.add(field)
  }
  return fields
}
