import { parseNetworks } from '../kit/ip.ts'
import type { GATEWAY } from './gateway-schema.ts'
import type { ServerConfig } from './model.ts'
import type { ProblemList } from './problem-list.ts'
import type { Infer } from './schema.ts'

type Options = Infer<typeof GATEWAY.properties.server>

/** Ports that take the place of those in the file, such as those of the command line. */
export interface PortOverrides {
  readonly port?: number | undefined
  readonly adminPort?: number | undefined
}

/** Checks what the schema cannot say of the listeners, and gives them their form. */
export function buildServer(
  options: Options,
  overrides: PortOverrides,
  problems: ProblemList,
): ServerConfig {
  const { host, trustProxy, allowEncodedSlashes, timeouts, limits, overload, websocket } = options
  const port = overrides.port ?? options.port
  const admin = buildAdmin(options.admin, overrides.adminPort)
  checkAdmin(admin, host, port, problems)
  for (const [index, network] of trustProxy.entries()) {
    try {
      parseNetworks([network])
    } catch (error) {
      problems.add(['server', 'trustProxy', index], { message: (error as Error).message })
    }
  }
  return {
    host,
    port,
    admin,
    trustProxy,
    allowEncodedSlashes,
    timeouts: {
      headersMs: timeouts.headers,
      requestMs: timeouts.request,
      keepAliveMs: timeouts.keepAlive,
      writeMs: timeouts.write,
      shutdownDelayMs: timeouts.shutdownDelay,
      drainMs: timeouts.drain,
    },
    limits: {
      headerBytes: limits.headerSize,
      headers: limits.headers,
      urlBytes: limits.url,
      bodyBytes: limits.body,
      jsonDepth: limits.jsonDepth,
      connections: limits.connections,
      requestsPerSocket: limits.requestsPerSocket,
      bufferedBytes: limits.buffered,
    },
    overload: { eventLoopDelayMs: overload.eventLoopDelay, heapShare: overload.heapShare },
    websocket: {
      maxPayloadBytes: websocket.maxPayload,
      maxFragments: websocket.maxFragments,
      pingIntervalMs: websocket.pingInterval,
      idleMs: websocket.idle,
      messagesPerSecond: websocket.messagesPerSecond,
    },
  }
}

function buildAdmin(admin: Options['admin'], override: number | undefined): ServerConfig['admin'] {
  if (admin === false) return undefined
  if (typeof admin === 'number')
    return { host: '127.0.0.1', port: override ?? admin, token: undefined }
  if (typeof admin === 'string') {
    const colon = admin.lastIndexOf(':')
    const host = admin.slice(0, colon).replace(/^\[(.*)\]$/, '$1')
    return { host, port: override ?? Number(admin.slice(colon + 1)), token: undefined }
  }
  return { host: admin.host, port: override ?? admin.port, token: admin.token }
}

function checkAdmin(
  admin: ServerConfig['admin'],
  host: string,
  port: number,
  problems: ProblemList,
): void {
  if (admin === undefined) return
  const at = ['server', 'admin']
  if (admin.port > 65_535) {
    problems.add(at, { message: `expected a port up to 65535, got ${admin.port}` })
  }
  if (!isLoopback(admin.host) && admin.token === undefined) {
    problems.add(at, {
      message: `the admin listener on ${admin.host} can be reached from outside and has no token`,
      hint: `admin: { host: "${admin.host}", port: ${admin.port}, token: "\${SLUICE_ADMIN_TOKEN}" }`,
    })
  }
  if (admin.port === port && port !== 0 && meet(admin.host, host)) {
    problems.add(at, {
      message: `the admin listener has the same port as the gateway, ${port}`,
      hint: 'give one of them another port',
    })
  }
}

function isLoopback(host: string): boolean {
  if (host === 'localhost' || host === '::1') return true
  return /^127(\.\d{1,3}){3}$/.test(host)
}

/** Addresses that take the ports of all others. */
const EVERYWHERE = new Set(['0.0.0.0', '::'])

function meet(a: string, b: string): boolean {
  return a === b || EVERYWHERE.has(a) || EVERYWHERE.has(b)
}
