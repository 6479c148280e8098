import { createServer, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { endpointOf } from '#core/dialects/index.ts'
import type { UpstreamConfig } from '#core/config/model.ts'
import type { JsonObject } from '#core/kit/json.ts'
import { createDemoUpstream } from '#core/upstream/demo/demo.ts'
import type { Attempt, Upstream, UpstreamRequest } from '#core/upstream/upstream.ts'

/** A config with nothing in it but the options. */
export function demoConfig(demo: JsonObject = {}, changes: Partial<UpstreamConfig> = {}) {
  return {
    name: 'demo',
    position: { file: 'gateway.yaml', line: 1, column: 1 },
    dialects: ['demo'],
    endpoints: [],
    keys: [],
    headers: {},
    forwardCredentials: false,
    timeouts: { connectMs: 1_000, firstByteMs: 10_000, idleMs: 10_000, totalMs: 20_000 },
    maxConnections: 1,
    models: [],
    demo,
    fingerprint: '',
    ...changes,
  } satisfies UpstreamConfig
}

/** A demo upstream on the real clock. */
export function openDemo(demo: JsonObject = {}, changes: Partial<UpstreamConfig> = {}): Upstream {
  return createDemoUpstream(demoConfig(demo, changes), { now: Date.now })
}

/** A request as the kernel would make it. */
export function requestOf(changes: Partial<UpstreamRequest> = {}): UpstreamRequest {
  return {
    id: '1',
    method: 'POST',
    dialect: 'openai-chat',
    path: '/v1/chat/completions',
    query: '',
    headers: {},
    body: undefined,
    client: { ip: '127.0.0.1', host: 'localhost', protocol: 'http' },
    deadline: Date.now() + 20_000,
    bufferUpTo: 1024 * 1024,
    mustBuffer: false,
    endpoint: undefined,
    key: undefined,
    ...changes,
  }
}

async function deliver(attempt: Attempt, res: ServerResponse): Promise<void> {
  try {
    const { status, headers, body } = await attempt.answer
    res.writeHead(status, headers)
    if (Buffer.isBuffer(body)) res.end(body)
    else {
      res.on('drain', () => body.resume())
      body.pipe({
        data: (chunk) => res.write(chunk),
        end: () => res.end(),
        error: () => res.destroy(),
      })
    }
  } catch {
    res.destroy()
  }
}

/** A server on a free port that hands every request to the upstream, for the SDKs. */
export async function serve(upstream: Upstream): Promise<{ server: Server; url: string }> {
  let count = 0
  const server = createServer((req, res) => {
    const { pathname, search } = new URL(req.url!, 'http://localhost')
    const path = decodeURIComponent(pathname)
    const headers = req.headers as Record<string, string>
    const dialect = endpointOf(req.method!, path, headers)?.dialect ?? 'http'
    const attempt = upstream.send(
      requestOf({
        id: String(++count),
        method: req.method!,
        dialect,
        path,
        query: search.slice(1),
        headers,
        body: req,
      }),
    )
    res.on('close', () => attempt.abort(new Error('the client left')))
    void deliver(attempt, res)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return { server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }
}
