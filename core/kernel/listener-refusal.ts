import type { ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { STATUS_CODES } from '../kit/node-http.ts'
import { http } from '../dialects/http.ts'
import { GatewayError } from '../errors.ts'

/** Why a request never became an exchange. */
export interface Refusal {
  readonly id: string
  /** The peer's address: what it says of others has not been believed yet. */
  readonly ip: string
  readonly error: GatewayError
}

/**
 * Answers a request that never became an exchange, as problem+json and with the connection closed: nobody knows yet
 * which dialect its client speaks.
 */
export function refuse(res: ServerResponse, refusal: Refusal): void {
  const { status, headers, body } = render(refusal)
  res.writeHead(status, headers)
  res.end(res.req.method === 'HEAD' ? undefined : body)
}

/** The same, as bytes, for a connection where Node has no response to offer: broken heads and upgrades. */
export function refusalText(refusal: Refusal): string {
  const { status, headers, body } = render(refusal)
  const fields = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  return `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${fields.join('')}\r\n${body}`
}

/** Writes the refusal of an upgrade and ends the connection. */
export function refuseUpgrade(socket: Duplex, refusal: Refusal): void {
  socket.on('error', () => {})
  socket.end(refusalText(refusal), () => socket.destroy())
}

function render({ error, id: requestId }: Refusal) {
  const { status, code, title, message, param } = error
  const answer = http.renderError({ status, code, title, detail: message, param, requestId })
  const headers = {
    ...error.headers,
    ...answer.headers,
    'content-length': String(Buffer.byteLength(answer.body)),
    date: new Date().toUTCString(),
    connection: 'close',
  }
  return { status: answer.status, headers, body: answer.body }
}

/** What Node's parser and timers say of a connection, in our words. */
export function parserError(cause: NodeJS.ErrnoException): GatewayError {
  switch (cause.code) {
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return new GatewayError('REQUEST_TIMEOUT', 'the request did not arrive in time', { cause })
    case 'HPE_HEADER_OVERFLOW':
      return new GatewayError('HEADERS_TOO_LARGE', 'the header fields are too large', { cause })
    case 'HPE_CHUNK_EXTENSIONS_OVERFLOW':
      return new GatewayError('BODY_TOO_LARGE', 'the chunk extensions are too large', { cause })
    default:
      return new GatewayError('BAD_REQUEST', 'the request is not valid HTTP/1.1', { cause })
  }
}
