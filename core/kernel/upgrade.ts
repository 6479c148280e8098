import { ServerResponse } from '../kit/node-http.ts'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { GatewayError } from '../errors.ts'
import { CLOSE } from '../kit/websocket-frames.ts'
import { acceptOf } from '../upstream/websocket.ts'
import { assertAnswered, takesPart } from './chain.ts'
import { LiveExchange, LiveRequest, LiveResponse } from './exchange.ts'
import type { Generation, LiveRoute } from './generation.ts'
import type { Arrival } from './listener.ts'
import { showMessages } from './message-passage.ts'
import { relay, splice } from './relay.ts'
import { respond } from './respond.ts'
import { findRoute } from './routes.ts'
import { answerError, type ServeOptions, settle } from './serve.ts'

/**
 * Serves one request for a WebSocket: the route's steps decide over the handshake as over any request; once the
 * upstream has accepted, so has the gateway, and messages are relayed. Refusals are plain HTTP answers.
 */
export function serveUpgrade(
  generation: Generation,
  arrival: Arrival,
  duplex: Duplex,
  head: Buffer,
  options: ServeOptions,
): void {
  const client = duplex as Socket
  client.on('error', () => client.destroy())
  const raw = plainAnswer(arrival, client)
  const { env, server } = generation.config
  const req = new LiveRequest(arrival)
  const res = new LiveResponse(raw)
  const now = options.now()
  let route: LiveRoute | undefined
  let routeError: unknown
  try {
    route = findRoute(generation.routes, req, env, now)
    checkHandshake(req, route)
  } catch (cause) {
    routeError = cause
  }
  const id = route?.config.id ?? ''
  const exchange = new LiveExchange({ id: arrival.id, route: id, req, res, env, now })
  if (route === undefined) return answerError(exchange, routeError, options.log)
  new Upgrade(exchange, route, client, head, server, options).begin(generation, routeError)
}

/** How long a client may keep the connection after it was refused. Milliseconds. */
const LINGER_MS = 2_000

/** Bytes that a client may send before it was answered. */
const MAX_EARLY = 64 * 1024

/** One upgrade, from the route to the end of the session. */
class Upgrade {
  readonly #exchange: LiveExchange
  readonly #route: LiveRoute
  readonly #client: Socket
  /** What the client has said before it was its turn: with the handshake, and while it is thought over. */
  readonly #early: Buffer[]
  #earlyBytes: number
  readonly #server: Generation['config']['server']
  readonly #options: ServeOptions
  #isRelayed = false

  constructor(
    exchange: LiveExchange,
    route: LiveRoute,
    client: Socket,
    head: Buffer,
    server: Generation['config']['server'],
    options: ServeOptions,
  ) {
    this.#exchange = exchange
    this.#route = route
    this.#client = client
    this.#early = [head]
    this.#earlyBytes = head.length
    this.#server = server
    this.#options = options
  }

  begin(generation: Generation, refusal: unknown): void {
    const exchange = this.#exchange
    const { log } = this.#options
    generation.enter(exchange, this.#route)
    this.#client.once('close', () => this.#onClose())
    // A connection that nobody reads does not tell that the client has left.
    this.#client.on('data', this.#onEarly).once('end', this.#onEarlyEnd)
    if (refusal !== undefined) return answerError(exchange, refusal, log)
    // A chain without a promise throws at once.
    void (async () => this.#route.chain(exchange))().then(
      () => this.#answer(),
      (cause: unknown) => {
        exchange.session?.socket.destroy()
        answerError(exchange, cause, log)
      },
    )
  }

  readonly #onEarly = (chunk: Buffer): void => {
    this.#early.push(chunk)
    this.#earlyBytes += chunk.length
    if (this.#earlyBytes > MAX_EARLY) this.#client.pause()
  }

  readonly #onEarlyEnd = (): void => {
    // After a plain answer this is how it ends; before, nobody waits for one any more.
    if (!this.#exchange.res.raw.writableEnded) this.#client.destroy()
  }

  /** The steps have let it pass: 101 where the upstream agreed, else the answer that there is. */
  #answer(): void {
    const exchange = this.#exchange
    const { session, res } = exchange
    if (this.#client.destroyed) return void session?.socket.destroy()
    try {
      if (session === undefined || res.status !== 101) {
        session?.socket.destroy()
        assertAnswered(exchange)
        return respond(exchange, {
          hooks: [],
          readsUsage: false,
          bufferedBytes: this.#route.bufferedBytes,
          onCut: () => {},
          onFailed: () => {},
        })
      }
      this.#relay(session)
    } catch (cause) {
      session?.socket.destroy()
      answerError(exchange, cause, this.#options.log)
    }
  }

  #relay({ socket: upstream, head: upstreamHead }: NonNullable<LiveExchange['session']>): void {
    const exchange = this.#exchange
    const client = this.#client
    const { websocket: limits, timeouts } = this.#server
    const steps = this.#route.messageSteps
      .filter((index) => takesPart(exchange, index))
      .map((index) => this.#route.steps[index]!)
    this.#isRelayed = true
    client.off('data', this.#onEarly).off('end', this.#onEarlyEnd)
    exchange.res.raw.detachSocket(client)
    exchange.firstByteAt = performance.now()
    client.write(switchingProtocols(exchange))
    const session = relay({
      client,
      upstream,
      clientHead: Buffer.concat(this.#early, this.#earlyBytes),
      upstreamHead,
      limits,
      writeMs: timeouts.writeMs,
      makePassage: steps.length === 0 ? splice(limits) : showMessages(exchange, steps, limits),
      onEnd: (end, bytes, error) => {
        exchange.error ??= error
        exchange.requestBytes = bytes.fromClient
        exchange.responseBytes = bytes.fromUpstream
        settle(exchange, this.#route, end, this.#options.log)
      },
    })
    // Told by a reload or a shutdown that it must end.
    exchange.underWay = {
      abort: (reason) =>
        session.close(
          CLOSE.restart,
          reason.message,
          reason instanceof GatewayError ? reason : undefined,
        ),
    }
    if (exchange.ended) exchange.underWay.abort(exchange.ended)
  }

  #onClose(): void {
    if (this.#isRelayed) return
    const exchange = this.#exchange
    const isAnswered = exchange.res.raw.writableFinished
    if (!isAnswered) exchange.end(new GatewayError('CLIENT_CLOSED', 'the client went away'))
    exchange.session?.socket.destroy()
    const isError = exchange.error !== undefined && exchange.error.code !== 'CLIENT_CLOSED'
    settle(
      exchange,
      this.#route,
      isError ? 'error' : isAnswered ? 'completed' : 'client-closed',
      this.#options.log,
    )
  }
}

/** A response on the connection, for as long as it is plain HTTP; its end is the connection's. */
function plainAnswer({ raw }: Arrival, client: Socket): ServerResponse {
  const response = new ServerResponse(raw)
  response.shouldKeepAlive = false
  response.assignSocket(client)
  response.on('finish', () => {
    client.end()
    // Reading lets the client's own end be seen; one that does not end is cut.
    client.resume()
    const timer = setTimeout(() => client.destroy(), LINGER_MS)
    client.once('close', () => clearTimeout(timer))
  })
  return response
}

/** RFC 6455 §4.2.1, and the route's origins: a browser sends cookies along from any page. */
function checkHandshake({ headers }: LiveRequest, { config }: LiveRoute): void {
  if (headers['sec-websocket-version'] !== '13') {
    throw new GatewayError('UPGRADE_REQUIRED', 'expected version 13 of the WebSocket protocol', {
      headers: { 'sec-websocket-version': '13' },
    })
  }
  const key = headers['sec-websocket-key'] ?? ''
  if (!/^[A-Za-z0-9+/]{22}==$/.test(key)) {
    throw new GatewayError('BAD_REQUEST', 'sec-websocket-key is no base64 of 16 bytes')
  }
  const { origin } = headers
  if (config.origins.length > 0 && origin !== undefined && !config.origins.includes(origin)) {
    throw new GatewayError('DENIED', 'this origin may not open a WebSocket here')
  }
}

function switchingProtocols({ id, req, res }: LiveExchange): string {
  const fields = { ...res.headers }
  for (const name of ['content-length', 'content-type', 'date', 'sec-websocket-accept'])
    delete fields[name]
  let head = 'HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n'
  head += `sec-websocket-accept: ${acceptOf(req.headers['sec-websocket-key']!)}\r\nx-request-id: ${id}\r\n`
  for (const [name, value] of Object.entries(fields)) {
    if (name === 'x-request-id') continue
    for (const item of Array.isArray(value) ? value : [value]) head += `${name}: ${item}\r\n`
  }
  return `${head}\r\n`
}
