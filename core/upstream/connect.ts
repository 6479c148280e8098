import type { Socket } from 'node:net'
import { undici } from './undici.ts'
import { GatewayError } from '../errors.ts'
import { formatDuration } from '../kit/duration.ts'
import type { Guard } from './guard.ts'

/** How TLS towards a host is checked. */
export interface TlsOptions {
  /** PEM of the authorities to trust in place of the system's. */
  readonly ca?: string | undefined
  /** False accepts any certificate. */
  readonly verify?: boolean | undefined
}

/** What all connections of one dialer have in common. */
export interface DialerOptions {
  readonly timeoutMs: number
  readonly tls: TlsOptions | undefined
  /** Set where the host is not the operator's own: only public addresses are connected to. */
  readonly guard: Guard | undefined
}

/** Where to connect to: scheme, host and port of a URL. */
export interface Target {
  /** `http:` or `https:`. */
  readonly protocol: string
  /** As in a URL, an IPv6 address without its brackets. */
  readonly hostname: string
  /** Empty for the scheme's own. */
  readonly port: string
}

/** Opens one connection; calls back once, with an error or the connected socket. The socket is returned at once, to be given up. */
export type Dial = (
  target: Target,
  done: (error: Error | null, socket: Socket | undefined) => void,
) => Socket | undefined

/**
 * Makes what HTTP and WebSocket attempts connect with: DNS, TLS with session reuse, one time limit over all of it,
 * and the guard. Proxies from the environment are not used.
 */
export function createDial({ timeoutMs, tls, guard }: DialerOptions): Dial {
  const options = {
    // In HTTP/2, undici takes a stream that was reset with CANCEL or NO_ERROR for one that ended (8.12): a cut answer
    // would look whole.
    allowH2: false,
    // The limit below covers lookup, TCP and TLS together, and says what it was.
    timeout: 0,
    ...(tls?.ca === undefined ? {} : { ca: tls.ca }),
    ...(tls?.verify === false ? { rejectUnauthorized: false } : {}),
    ...(guard === undefined ? {} : { lookup: guard.lookup }),
  }
  let connect: Connector | undefined

  return (target, done) => {
    try {
      // A literal address never reaches `lookup` (undici #2019).
      guard?.check(target)
    } catch (error) {
      queueMicrotask(() => done(error as Error, undefined))
      return undefined
    }
    let timer: NodeJS.Timeout | undefined
    let isDone = false
    const finish = (error: Error | null, socket?: Socket) => {
      if (isDone) return
      isDone = true
      clearTimeout(timer)
      done(error, socket)
    }
    // undici's types ask for a port here, which it takes from each target.
    connect ??= (undici().buildConnector as unknown as (fixed: typeof options) => Connector)(
      options,
    )
    const socket = connect({ ...target, host: target.hostname }, finish)
    timer = setTimeout(() => {
      const limit = formatDuration(timeoutMs)
      finish(new GatewayError('UPSTREAM_TIMEOUT', `no connection within ${limit} (connect)`))
      socket.destroy()
    }, timeoutMs)
    // A socket that is given up while it connects reports no error.
    socket.once('close', () => finish(new Error('closed while connecting')))
    return socket
  }
}

type Connector = (
  options: { hostname: string; host: string; protocol: string; port: string },
  done: (error: Error | null, socket?: Socket) => void,
) => Socket
