import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { Agent, request } from 'undici'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { estimateTokens } from '#core/dialects/estimate.ts'
import type { JsonObject } from '#core/kit/json.ts'
import { hasRedis, TestRedis } from '../support/redis.ts'

/** Requests that come at once. */
const SIZES = [50, 200, 800, 2_000]

const BODY = { model: 'm', max_tokens: 100, messages: [{ role: 'user', content: 'x'.repeat(41) }] }

/** What is reserved for one request, and the least that the upstream says it came to. */
const RESERVED = reservedFor(BODY)
const LEAST_USED = Math.floor(RESERVED * 0.6)

function reservedFor(body: JsonObject): number {
  const request = { dialect: 'openai-chat', path: '/v1/chat/completions', body } as const
  // The step's own defaults; none of them matters where the body sets a bound.
  const options = { bytesPerToken: 2, maxOutputTokens: 0 }
  const { inputTokens, outputTokens } = estimateTokens(request, options)
  return inputTokens + outputTokens
}

/** Limits that are hit: half of the requests fit, or of the tokens that they reserve. */
const requestsOf = (size: number) => size / 2
const tokensOf = (size: number) => Math.max(size / 2, 150) * RESERVED

let folder: string
let upstream: Server
/** What has reached the upstream, by the run that sent it. */
const reached = new Map<string, { requests: number; tokens: number }>()

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sluice-limits-'))
  upstream = createServer((req, res) => {
    const run = String(req.headers['x-run'])
    const so = reached.get(run) ?? { requests: 0, tokens: 0 }
    reached.set(run, so)
    so.requests++
    const tokens = LEAST_USED + ((so.requests * 7) % (RESERVED - LEAST_USED + 1))
    so.tokens += tokens
    req.resume().on('end', () => {
      res.setHeader('content-type', 'application/json')
      res.end(answer(tokens))
    })
  })
  upstream.listen(0, '127.0.0.1')
  await once(upstream, 'listening')
})

afterAll(async () => {
  upstream.closeAllConnections()
  upstream.close()
  await rm(folder, { recursive: true, force: true })
})

function answer(tokens: number): string {
  const usage = { prompt_tokens: 50, completion_tokens: tokens - 50, total_tokens: tokens }
  const message = { role: 'assistant', content: 'yes' }
  const choices = [{ index: 0, message, finish_reason: 'stop' }]
  return JSON.stringify({
    id: 'a',
    object: 'chat.completion',
    created: 1,
    model: 'm',
    choices,
    usage,
  })
}

/** One pipeline for each size and unit. Windows so long that none ends in the midst of a test. */
function config(store: string): string {
  const { port } = upstream.address() as AddressInfo
  const rows = SIZES.flatMap((size, at) => {
    // Both kinds of window for both units, in turns.
    const [one, other] = at % 2 === 0 ? ['fixed', 'sliding'] : ['sliding', 'fixed']
    return [
      { name: `requests-${size}`, limit: `requests: ${requestsOf(size)}`, strategy: one },
      { name: `tokens-${size}`, limit: `tokens: ${tokensOf(size)}`, strategy: other },
    ]
  })
  const key = 'key: $req.headers.x-run, window: 365d'
  return `
version: 1
store: { url: "${store}"${store.startsWith('redis') ? ', ledger: "memory:"' : ''} }
reload: { watch: false }
server: { admin: false, overload: { eventLoopDelay: 60s } }
upstreams: { up: { dialect: openai-chat, url: "http://127.0.0.1:${port}/v1" } }
pipelines:
${rows.map(({ name, limit, strategy }) => `  ${name}: [{ rateLimiting: { strategy: ${strategy}-window, limits: { run: { ${key}, ${limit} } } } }]`).join('\n')}
routes:
${rows.map(({ name }) => `  - { id: ${name}, match: { api: openai-chat, headers: { x-limit: ${name} } }, pipeline: ${name}, upstream: up }`).join('\n')}
`
}

interface Node {
  readonly url: string
  stop(): Promise<void>
}

/** A gateway in a process of its own. */
async function startNode(file: string): Promise<Node> {
  const args = ['core/cli/main.ts', 'run', file, '--port', '0', '--json']
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  const exited = once(child, 'exit')
  const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string]
  const { url } = JSON.parse(line) as { url: string }
  return {
    url,
    async stop() {
      child.kill('SIGKILL')
      await exited
    },
  }
}

/** Sends so many requests at once, spread over the gateways; resolves with how many were accepted. */
async function burst(
  agent: Agent,
  nodes: readonly Node[],
  count: number,
  name: string,
  run: string,
): Promise<number> {
  const statuses = await Promise.all(
    Array.from({ length: count }, async (_, at) => {
      const { statusCode, body } = await request(
        `${nodes[at % nodes.length]!.url}/v1/chat/completions`,
        {
          method: 'POST',
          dispatcher: agent,
          headers: { 'content-type': 'application/json', 'x-limit': name, 'x-run': run },
          body: JSON.stringify(BODY),
        },
      )
      await body.dump()
      return statusCode
    }),
  )
  expect(new Set(statuses).difference(new Set([200, 429]))).toEqual(new Set())
  return statuses.filter((status) => status === 200).length
}

/** The matrix of one store. `processes` share it. */
function testLimits(store: string, counts: readonly number[], open: () => Promise<string>): void {
  describe(`limits counted by ${store}`, () => {
    const nodes: Node[] = []
    let agent: Agent
    beforeAll(async () => {
      agent = new Agent({ connections: Math.max(...SIZES) })
      const file = join(folder, `${store}.yaml`)
      await writeFile(file, config(await open()))
      const most = Math.max(...counts)
      nodes.push(...(await Promise.all(Array.from({ length: most }, () => startNode(file)))))
    }, 60_000)
    afterAll(async () => {
      await agent.destroy()
      await Promise.all(nodes.map((node) => node.stop()))
    })

    const table = counts.flatMap((processes) => SIZES.map((size) => ({ processes, size })))

    test.for(table)(
      'take exactly as many of $size requests at once as they allow, processes: $processes',
      { timeout: 60_000 },
      async ({ processes, size }) => {
        const run = `${store}-requests-${processes}-${size}`
        const some = nodes.slice(0, processes)
        const accepted = await burst(agent, some, size, `requests-${size}`, run)
        expect(accepted).toBe(requestsOf(size))
        expect(reached.get(run)!.requests).toBe(requestsOf(size))
      },
    )

    test.for(table)(
      'never exceed a limit in tokens, and leave less than 1 % of it, with $size requests at once, processes: $processes',
      { timeout: 60_000 },
      async ({ processes, size }) => {
        const run = `${store}-tokens-${processes}-${size}`
        const some = nodes.slice(0, processes)
        const limit = tokensOf(size)
        const first = await burst(agent, some, size, `tokens-${size}`, run)
        expect(reached.get(run)!.tokens).toBeLessThanOrEqual(limit)
        if (size * RESERVED > limit) expect(first).toBeLessThan(size)
        // What the first ones did not use comes back once they are settled.
        await vi.waitFor(
          async () => {
            await burst(agent, some, 100, `tokens-${size}`, run)
            expect(reached.get(run)!.tokens).toBeGreaterThan(limit * 0.99)
          },
          { timeout: 30_000, interval: 1 },
        )
        await burst(agent, some, 100, `tokens-${size}`, run)
        expect(reached.get(run)!.tokens).toBeLessThanOrEqual(limit)
      },
    )
  })
}

testLimits('memory', [1], async () => 'memory:')
testLimits('sqlite', [1, 4], async () => `sqlite:${join(folder, 'store.db')}`)

describe.skipIf(!hasRedis)('with Redis', () => {
  let server: TestRedis
  afterAll(() => server.stop())
  testLimits('redis', [1, 4], async () => {
    server = await TestRedis.start()
    // A machine that is busy with other tests is not to be taken for a server that is away.
    return `${server.url}?timeout=20s`
  })
})
