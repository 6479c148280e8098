import type { UpstreamConfig } from '#core/config/model.ts'
import { createHttpUpstream, type UpstreamContext } from '#core/upstream/http-upstream.ts'
import type { Upstream, UpstreamAnswer, UpstreamRequest } from '#core/upstream/upstream.ts'
import { onTestFinished } from 'vitest'

type Overrides = Partial<Omit<UpstreamConfig, 'endpoints' | 'timeouts'>> & {
  endpoints?: readonly Partial<UpstreamConfig['endpoints'][number]>[]
  timeouts?: Partial<UpstreamConfig['timeouts']>
}

/** An upstream at `url`, closed when the test is over. */
export function openAt(
  url: string,
  { endpoints, timeouts, ...overrides }: Overrides = {},
  context: Partial<UpstreamContext> = {},
): Upstream {
  const upstream = createHttpUpstream(
    {
      name: 'test',
      position: { file: 'gateway.yaml', line: 1, column: 1 },
      dialects: ['http'],
      endpoints: (endpoints ?? [{}]).map((endpoint) => ({
        url,
        weight: 1,
        isTrusted: true,
        ...endpoint,
      })),
      keys: [],
      headers: {},
      forwardCredentials: false,
      timeouts: {
        connectMs: 2_000,
        firstByteMs: 5_000,
        idleMs: 5_000,
        totalMs: 10_000,
        ...timeouts,
      },
      maxConnections: 16,
      models: [],
      demo: {},
      fingerprint: 'test',
      ...overrides,
    },
    { now: () => Date.now(), ...context },
  )
  onTestFinished(() => upstream.close())
  return upstream
}

/** A request as the kernel makes it. */
export function aRequest(overrides: Partial<UpstreamRequest> = {}): UpstreamRequest {
  return {
    id: 'r1',
    method: 'GET',
    dialect: 'http',
    path: '/',
    query: '',
    headers: {},
    body: undefined,
    client: { ip: '192.0.2.1', host: 'gateway.test', protocol: 'https' },
    deadline: Date.now() + 60_000,
    bufferUpTo: 65_536,
    mustBuffer: false,
    endpoint: undefined,
    key: undefined,
    ...overrides,
  }
}

/** What a body came to: its bytes, and the error that cut it where there was one. */
export interface Read {
  readonly text: string
  readonly error: Error | undefined
}

/** Reads a body to its end, or to where it was cut. */
export function readBody({ body }: UpstreamAnswer): Promise<Read> {
  if (Buffer.isBuffer(body)) return Promise.resolve({ text: body.toString(), error: undefined })
  const chunks: Buffer[] = []
  return new Promise((resolve) => {
    const finish = (error?: Error) =>
      resolve({ text: Buffer.concat(chunks).toString('latin1'), error })
    body.pipe({
      data(chunk) {
        chunks.push(chunk)
        return true
      },
      end: () => finish(),
      error: finish,
    })
  })
}

/** What came of a request: the answer and its body, or the failure as `CODE: detail`. */
export async function outcome(upstream: Upstream, request: UpstreamRequest): Promise<string> {
  try {
    const answer = await upstream.send(request).answer
    const { text, error } = await readBody(answer)
    return error === undefined
      ? `${answer.status} ${text}`
      : `${answer.status} ${text} then ${describe(error)}`
  } catch (error) {
    return describe(error)
  }
}

/** `CODE: detail` of a GatewayError, else its class and message. */
export function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const code = 'code' in error ? String(error.code) : error.name
  return `${code}: ${error.message}`
}
