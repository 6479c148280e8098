import { Agent, request } from 'node:http'
import type { ServerConfig } from '#core/config/model.ts'
import { GatewayError } from '#core/errors.ts'
import { readBody } from '#core/kernel/body.ts'
import { type Arrival, createListener } from '#core/kernel/listener.ts'
import { refuse } from '#core/kernel/listener-refusal.ts'
import { HOSTILE_LIMITS } from '../../cases/hostile.ts'
import { serverConfig, silentLog } from './listener-fixture.ts'
import { startRawUpstream } from './raw-upstream.ts'

/** Something that behaves as the gateway does towards clients, with an upstream that tells what reached it. */
export interface GatewayLike {
  readonly port: number
  readonly seen: readonly string[]
  close(): Promise<void>
}

/** The listener with the plainest possible gateway behind it: bodies are gathered and passed on. */
export async function startGatewayLike(): Promise<GatewayLike> {
  const upstream = await startRawUpstream()
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  const config: ServerConfig = serverConfig({ limits: HOSTILE_LIMITS })

  async function forward(arrival: Arrival): Promise<string> {
    const { raw, method, path, search, hasBody } = arrival
    if (hasBody && ['GET', 'HEAD', 'DELETE'].includes(method)) {
      throw new GatewayError('BAD_REQUEST', 'a body is not accepted here')
    }
    const body = hasBody ? await readBody(raw, config.limits.bodyBytes) : undefined
    const url = new URL(upstream.url)
    return new Promise((resolve, reject) => {
      const target = search === '' ? path : `${path}?${search}`
      const headers = body === undefined ? {} : { 'content-length': body.length }
      request({ agent, host: url.hostname, port: url.port, method, path: target, headers })
        .on('response', (answer) => {
          let text = ''
          answer.on('data', (chunk: Buffer) => (text += chunk.toString()))
          answer.on('end', () => resolve(text))
        })
        .on('error', reject)
        .end(body)
    })
  }

  const listener = createListener(
    config,
    {
      request(_req, res, arrival) {
        forward(arrival).then(
          (text) => res.end(text),
          (error: GatewayError) => refuse(res, { id: arrival.id, ip: arrival.ip, error }),
        )
      },
      upgrade(_req, socket) {
        socket.destroy()
      },
    },
    { log: silentLog },
  )
  const { port } = await listener.listen()
  return {
    port,
    seen: upstream.seen,
    async close() {
      await listener.close(0)
      agent.destroy()
      await upstream.close()
    },
  }
}
