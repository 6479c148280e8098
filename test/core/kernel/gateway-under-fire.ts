import { HOSTILE_LIMITS } from '../../cases/hostile.ts'
import { openTestGateway } from '../../support/gateway.ts'
import { startRawUpstream } from './raw-upstream.ts'

/** The gateway, with an upstream that tells what reached it. */
export interface GatewayUnderFire {
  readonly port: number
  /** Method and target of each message that the upstream saw. */
  readonly seen: readonly string[]
  close(): Promise<void>
}

/** Starts a gateway that passes every path on, with the limits that the table of hostile requests counts on. */
export async function startGatewayUnderFire(): Promise<GatewayUnderFire> {
  const upstream = await startRawUpstream()
  const { headerBytes, headers, urlBytes, bodyBytes } = HOSTILE_LIMITS
  const gateway = await openTestGateway(`
server:
  limits: { headerSize: ${headerBytes}, headers: ${headers}, url: ${urlBytes}, body: ${bodyBytes} }
upstreams: { raw: { dialect: http, url: "${upstream.url}", maxConnections: 1 } }
routes:
  - { id: all, match: { path: /* }, upstream: raw }
`)
  return {
    port: Number(new URL(gateway.url).port),
    seen: upstream.seen,
    async close() {
      await gateway.end()
      await upstream.close()
    },
  }
}
