import { readFileSync } from 'node:fs'
import {
  createServer,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from '../kit/node-http.ts'
import type { AddressInfo, Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { ServerConfig } from '../config/model.ts'
import { GatewayError } from '../errors.ts'
import type { Logger } from '../sdk.ts'
import { awaitContinue } from './body.ts'
import { type ClientReader, createClientReader, mintId, peerAddress } from './client.ts'
import type { RequestHead } from './exchange.ts'
import { FlatResponse } from './flat-response.ts'
import { checkRequest } from './hygiene.ts'
import { Connection } from './listener-connection.ts'
import {
  parserError,
  type Refusal,
  refusalText,
  refuse,
  refuseUpgrade,
} from './listener-refusal.ts'
import { normalisePath } from './normalise.ts'
import type { Overload } from './overload.ts'

/** The part of the config that a listener follows; it can change while it listens, except host and port. */
export type ListenerConfig = Pick<
  ServerConfig,
  'host' | 'port' | 'trustProxy' | 'allowEncodedSlashes' | 'timeouts' | 'limits'
>

/** A request head that was checked and brought into its one form. */
export interface Arrival extends RequestHead {
  /** True where the head announces a body. */
  readonly hasBody: boolean
}

/** What becomes of requests. Only those that passed every check arrive. */
export interface ListenerHandlers {
  request(req: IncomingMessage, res: ServerResponse, arrival: Arrival): void
  /** A request for a WebSocket; the connection is the handler's. */
  upgrade(req: IncomingMessage, socket: Duplex, head: Buffer, arrival: Arrival): void
  /** A request that was answered here with an error. For logs and metrics. */
  refused?(refusal: Refusal): void
}

/** What a listener needs from outside. */
export interface ListenerServices {
  readonly log: Logger
  /** Refuses new work while it sheds; absent for the admin listener. */
  readonly overload?: Overload
}

/** A live listener on one host and port. */
export interface Listener {
  /** Begins to listen; gives the address, with the port that was picked for 0. */
  listen(): Promise<{ host: string; port: number }>
  /** Takes over new limits and timeouts, for what comes from now on. */
  update(config: ListenerConfig): void
  /** From now on every answer closes its connection, so that clients move elsewhere; goes on serving. */
  drain(): void
  /**
   * Stops listening, closes idle connections and waits for the answers that are due, `graceMs` at most; what is left
   * then is cut. WebSockets count as busy until they end. A second call may shorten the grace of the first.
   */
  close(graceMs: number): Promise<void>
  readonly openConnections: number
}

/** Makes a listener for clients that cannot be trusted. It listens once `listen` is called. */
export function createListener(
  config: ListenerConfig,
  handlers: ListenerHandlers,
  services: ListenerServices,
): Listener {
  return new HttpListener(config, handlers, services)
}

class HttpListener implements Listener {
  readonly #handlers: ListenerHandlers
  readonly #services: ListenerServices
  readonly #server: Server
  readonly #connections = new Map<Socket, Connection>()
  #config: ListenerConfig
  #readClient: ClientReader
  #isDraining = false
  #watch: NodeJS.Timeout | undefined
  #closed: Promise<void> | undefined

  constructor(config: ListenerConfig, handlers: ListenerHandlers, services: ListenerServices) {
    this.#config = config
    this.#handlers = handlers
    this.#services = services
    this.#readClient = createClientReader(config.trustProxy)
    this.#server = createServer({
      ServerResponse: FlatResponse,
      maxHeaderSize: config.limits.headerBytes,
      headersTimeout: config.timeouts.headersMs,
      requestTimeout: config.timeouts.requestMs,
      connectionsCheckingInterval: Math.min(1_000, config.timeouts.headersMs),
      keepAliveTimeout: config.timeouts.keepAliveMs,
      // Refused by checkRequest, so that the answer has our form.
      requireHostHeader: false,
      insecureHTTPParser: false,
      noDelay: true,
    })
    const onRequest = (req: IncomingMessage, res: ServerResponse) => {
      this.#connections.get(req.socket)?.take(req, res)
    }
    this.#server
      .on('connection', (socket) => this.#onConnection(socket))
      .on('request', onRequest)
      .on('checkExpectation', onRequest)
      .on('checkContinue', (req: IncomingMessage, res: ServerResponse) => {
        awaitContinue(req, res)
        onRequest(req, res)
      })
      .on('upgrade', (req, socket, head) => this.#onUpgrade(req, socket, head))
      .on('connect', (req, socket, head) => this.#onUpgrade(req, socket, head))
      .on('clientError', (error, socket) => this.#onClientError(error, socket as Socket))
    this.#applyLimits()
  }

  listen(): Promise<{ host: string; port: number }> {
    const { host, port } = this.#config
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen({ host, port }, () => {
        this.#server.off('error', reject)
        this.#server.on('error', (error) => {
          this.#services.log.error('listener failed', { error })
        })
        this.#watchStalls()
        const address = this.#server.address() as AddressInfo
        resolve({ host: address.address, port: address.port })
      })
    })
  }

  update(config: ListenerConfig): void {
    this.#config = config
    this.#readClient = createClientReader(config.trustProxy)
    this.#applyLimits()
    if (this.#watch !== undefined) this.#watchStalls()
  }

  drain(): void {
    this.#isDraining = true
  }

  close(graceMs: number): Promise<void> {
    this.drain()
    this.#closed ??= new Promise((resolve) => {
      this.#server.close(() => {
        clearInterval(this.#watch)
        resolve()
      })
      this.#server.closeIdleConnections()
      for (const connection of this.#connections.values()) connection.leave()
    })
    const cut = setTimeout(() => {
      for (const socket of this.#connections.keys()) socket.destroy()
    }, graceMs)
    return this.#closed.finally(() => clearTimeout(cut))
  }

  get openConnections(): number {
    return this.#connections.size
  }

  #applyLimits(): void {
    const { limits, timeouts } = this.#config
    const server = this.#server as Server & { maxHeaderSize: number }
    server.maxHeaderSize = limits.headerBytes
    // Node's own limit drops the fields above it in silence; checkRequest counts.
    server.maxHeadersCount = 0
    server.headersTimeout = timeouts.headersMs
    server.requestTimeout = timeouts.requestMs
    server.keepAliveTimeout = timeouts.keepAliveMs
    const possible = possibleConnections()
    // Half of what was asked for still serves; less is for somebody to hear of.
    if (limits.connections > possible * 2) {
      this.#services.log.warn('the limit of open files allows fewer connections', {
        configured: limits.connections,
        possible,
      })
    }
    server.maxConnections = Math.min(limits.connections, possible)
  }

  #onConnection(socket: Socket): void {
    const connection = new Connection(socket, (req, res) => this.#onTurn(connection, req, res))
    this.#connections.set(socket, connection)
    socket.once('close', () => this.#connections.delete(socket))
  }

  #onTurn(connection: Connection, req: IncomingMessage, res: ServerResponse): void {
    let arrival: Arrival
    const level = this.#services.overload?.level() ?? 'ok'
    // Not Node's maxRequestsPerSocket: it says that it closes the connection, and does not.
    const isLast = connection.turns >= this.#config.limits.requestsPerSocket
    if (isLast || this.#isDraining || level !== 'ok') res.shouldKeepAlive = false
    try {
      if (level === 'shedding') throw overloaded()
      arrival = this.#admit(req, 'http')
    } catch (cause) {
      connection.doom()
      refuse(res, this.#refusal(cause, req.socket))
      return
    }
    if (arrival.path === '*') answerPing(res)
    else this.#handlers.request(req, res, arrival)
  }

  #onUpgrade(req: IncomingMessage, socket: Duplex, head: Buffer): void {
    const connection = this.#connections.get(req.socket)
    // Behind an unanswered request, the switch would come in the middle of that answer.
    if (connection === undefined || connection.isBusy || connection.isDoomed) {
      socket.destroy()
      return
    }
    let arrival: Arrival
    try {
      if (this.#services.overload?.level() === 'shedding') throw overloaded()
      arrival = this.#admit(req, 'websocket')
    } catch (cause) {
      refuseUpgrade(socket, this.#refusal(cause, req.socket))
      return
    }
    this.#handlers.upgrade(req, socket, head, arrival)
  }

  #admit(req: IncomingMessage, protocol: Arrival['protocol']): Arrival {
    const { headers, target, hasBody, isUpgrade } = checkRequest(req, this.#config.limits)
    // Node has decided by its own reading of the head who gets the connection; two readings would be one too many.
    if (isUpgrade !== (protocol === 'websocket')) throw unclearUpgrade()
    const { id, ip, host, scheme } = this.#readClient(req.socket, headers)
    const { path, query } = target === '*' ? PING : normalisePath(target, this.#config)
    return {
      raw: req,
      id,
      method: req.method!,
      path,
      search: query,
      headers,
      host,
      ip,
      scheme,
      protocol,
      hasBody,
    }
  }

  #refusal(cause: unknown, socket: Socket): Refusal {
    const isExpected = cause instanceof GatewayError
    if (!isExpected) this.#services.log.error('listener broke', { error: cause })
    const error = isExpected
      ? cause
      : new GatewayError('INTERNAL', 'the gateway failed to read the request', { cause })
    const refusal = { id: mintId(), ip: peerAddress(socket), error }
    this.#handlers.refused?.(refusal)
    return refusal
  }

  #onClientError(cause: NodeJS.ErrnoException, socket: Socket): void {
    const connection = this.#connections.get(socket)
    if (connection === undefined || connection.isDoomed) return
    // Gone, or a connection opened ahead of need that was never used: there is nobody to tell.
    if (cause.code === 'ECONNRESET' || !socket.writable || socket.bytesRead === 0) {
      socket.destroy()
      return
    }
    connection.sayFarewell(refusalText(this.#refusal(parserError(cause), socket)))
  }

  #watchStalls(): void {
    const { writeMs } = this.#config.timeouts
    clearInterval(this.#watch)
    this.#watch = setInterval(
      () => {
        const now = performance.now()
        for (const connection of this.#connections.values()) {
          if (connection.stalledFor(now) > writeMs) {
            this.#services.log.debug('client stopped reading', {
              ip: peerAddress(connection.socket),
            })
            connection.socket.destroy()
          }
        }
      },
      Math.max(20, Math.min(1_000, writeMs / 4)),
    )
    this.#watch.unref()
  }
}

/** `OPTIONS *` asks after the server itself (RFC 9110 §9.3.7). */
const PING = { path: '*', query: '' }

function answerPing(res: ServerResponse): void {
  res.writeHead(204, { allow: 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS' })
  res.end()
}

function unclearUpgrade(): GatewayError {
  return new GatewayError('BAD_REQUEST', 'connection and upgrade do not agree')
}

function overloaded(): GatewayError {
  return new GatewayError('OVERLOADED', 'the gateway has more work than it can do', {
    headers: { 'retry-after': '1' },
  })
}

/** Files that everything but connections needs: upstream sockets, stores, logs. Half of the rest is the clients'. */
const RESERVED_FILES = 64

/** How many client connections the limit of open files allows, each with one to an upstream; where it is known. */
function possibleConnections(): number {
  let limits: string
  try {
    limits = readFileSync('/proc/self/limits', 'utf8')
  } catch {
    return Infinity
  }
  const files = /^Max open files\s+(\d+)/m.exec(limits)?.[1]
  return files === undefined
    ? Infinity
    : Math.max(1, Math.floor(Number(files) / 2) - RESERVED_FILES)
}
