/** `npm run bench`: see README.md beside this file. */
import { execFile } from 'node:child_process'
import { cpus } from 'node:os'
import { parseArgs, promisify } from 'node:util'
import { measureHostile, measureHostileRequests } from './hostile.ts'
import {
  COMMAND,
  pinned,
  type Proxy,
  start,
  startNginx,
  startPortkey,
  startSluice,
} from './proxies.ts'

const run = promisify(execFile)
const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '9' },
    seconds: { type: 'string', default: '2' },
    warm: { type: 'string', default: '12' },
    only: {
      type: 'string',
      default: 'pass,pipeline,production,auth,limits,script,sse,convert,websocket,start,hostile',
    },
  },
})
const rounds = Number(values.rounds)
const seconds = Number(values.seconds)
const warm = Number(values.warm)
const wanted = new Set(values.only.split(','))

const upstream = await start(1, process.execPath, ['test/bench/upstream.ts'], /(\d+)\n/)
const upstreamPort = Number(upstream.line[1])

/** `chat` and `messages`: who answers clients of these APIs. */
const config = (pipeline: string, { chat = 'model', messages = 'claude' } = {}) => `
upstreams:
  model: { dialect: openai-chat, url: "http://127.0.0.1:${upstreamPort}/v1", keys: ["\${BENCH_KEY:-key}"] }
  claude: { dialect: anthropic, url: "http://127.0.0.1:${upstreamPort}", keys: ["\${BENCH_KEY:-key}"] }
  live: { dialect: http, url: "ws://127.0.0.1:${upstreamPort}" }
routes:
  - id: chat
    match: { api: openai-chat }
    upstream: ${chat}
    pipeline: ${pipeline}
  - id: messages
    match: { api: anthropic }
    upstream: ${messages}
    pipeline: ${pipeline}
  - id: live
    match: { path: /live, protocol: websocket }
    upstream: live
    pipeline: []
server: { websocket: { messagesPerSecond: 1000000 } }
`
const log = '{ logging: { destination: /dev/null } }'
const twelve = `
      - ${log}
      - filter: { id: method, allow: { eq: [$req.method, POST] } }
      - filter: { id: agent, deny: { startsWith: [{ default: [$req.headers.user-agent, ""] }, bad-] } }
      - filter: { id: model, deny: { not: [{ in: [$req.body.model, [gpt-4o, gpt-4o-mini]] }] } }
      - filter: { id: size, deny: { gt: [{ length: $req.body.messages }, 100] } }
      - transformers: { id: headers, input: [{ type: addHeaders, headers: { x-team: red, x-tier: gold } }] }
      - transformers: { id: fields, input: [{ type: removeFields, fields: [metadata.internal] }] }
      - transformers: { id: cap, input: [{ type: modifyBody, rules: [{ set: max_tokens, value: { min: [{ default: [$req.body.max_tokens, 1024] }, 4096] } }] }] }
      - transformers: { id: tag, input: [{ type: modifyBody, rules: [{ set: user, value: gateway }] }] }
      - filter: { id: temperature, deny: { gt: [{ default: [$req.body.temperature, 0] }, 2] } }
      - transformers: { id: answer, output: [{ type: addHeaders, headers: { x-served-by: sluice } }] }
      - filter: { id: host, allow: { ne: [$req.host, forbidden.example] } }`
/** The five that production needs first, with what most gateways ask of them; the limits are out of reach. */
const five = `
      - ${log}
      - auth: { methods: [bearer], bearer: { tokens: [{ id: bench, token: "\${BENCH_TOKEN:-bench-client-token}", roles: [user] }] }, rbac: { roles: { user: { permissions: [read, write] } } } }
      - rateLimiting: { limits: { perUser: { requests: 1000000000, tokens: 1000000000000, window: 1m } } }
      - transformers:
          input:
            - { type: addHeaders, headers: { x-team: red } }
            - { type: modifyBody, rules: [{ set: max_tokens, value: { min: [{ default: [$req.body.max_tokens, 1024] }, 4096] } }] }
      - retryPolicy`
/** The same five as the roadmap configures them: bodies held against a schema, answers filled in and searched, header fields logged. */
const production = `
      - logging: { destination: /dev/null, requests: { logHeaders: true, logMetadata: true }, responses: { logHeaders: true }, audit: { enabled: true } }
      - auth:
          methods: [bearer, api-key]
          bearer: { tokens: [{ id: bench, token: "\${BENCH_TOKEN:-bench-client-token}", roles: [user] }] }
          rbac: { roles: { user: { permissions: [read, write], rateLimit: standard } } }
          quotas: { perUser: true, enforcement: strict }
      - rateLimiting:
          limits:
            perUser: { requests: 1000000000, window: 60000, tokens: 1000000000000 }
            perIP: { requests: 1000000000, window: 3600000 }
            perAPIKey: { requests: 1000000000, tokens: 1000000000000, window: 86400000 }
          strategy: token-bucket
          burstAllowance: 1.5
      - transformers:
          input:
            - { type: validateSchema, schema: openai-chat }
            - { type: addHeaders, headers: { X-Custom: value } }
            - { type: modifyBody, rules: [] }
            - { type: removeFields, fields: [sensitive_data] }
          output: [{ type: normalizeResponse }, { type: addMetadata }, { type: filterContent }]
      - retryPolicy: { maxRetries: 3, initialDelay: 1000, maxDelay: 30000 }`
const rewrite = `
      - ${log}
      - transformers: { output: [{ type: modifyBody, rules: [{ set: model, value: renamed }] }] }`

/** More than a run ever asks for, so that each request is counted and none is refused. */
const limits = (units: string) =>
  `[rateLimiting: { limits: { perUser: { ${units}, window: 1m }, perIP: { ${units}, window: 1h } } }]`

/** A key with a role, and the same with a quota that a run never uses up. */
const auth = (quotas: string) => {
  const keys = '[{ id: bench, key: "${BENCH_TOKEN:-bench-client-token}", roles: [user] }]'
  const rbac = '{ roles: { user: { permissions: [read, write] } } }'
  return `[auth: { apiKeys: { static: ${keys} }, rbac: ${rbac}${quotas} }]`
}

/** What every script that looks at a body stands on: a request that is parsed. */
const reader = 'filter: { allow: $req.body.model }'
const script = (sandbox: string) => `script:
          sandbox: ${sandbox}
          code: |
            const last = req.body.messages.at(-1)
            if (/ignore (all|previous) instructions/i.test(last.content)) return deny(400, 'prompt refused')`

interface Row {
  readonly proxy: string
  /** CPU microseconds per unit, one per round. */
  readonly cost: number[]
}

/** Measures every proxy once per round, in turn, and every other round backwards. */
async function measure(kind: string, proxies: readonly Proxy[]): Promise<Row[]> {
  const rows = proxies.map((proxy) => ({ proxy: proxy.name, cost: [] as number[] }))
  // V8 goes on compiling for some 50,000 requests, which on a busy machine take their time.
  for (const proxy of proxies) await loadOn(kind, proxy, warm)
  for (let round = 0; round < rounds; round++) {
    const order = proxies.map((_, index) => (round % 2 === 0 ? index : proxies.length - 1 - index))
    for (const index of order) rows[index]!.cost.push(await loadOn(kind, proxies[index]!, seconds))
  }
  return rows
}

async function loadOn(kind: string, proxy: Proxy, duration: number): Promise<number> {
  const args = [
    'test/bench/load.ts',
    proxy.kind ?? kind,
    String(proxy.port),
    String(duration),
    proxy.headers,
  ]
  const before = proxy.cpu()
  const { stdout } = await run(...pinned(1, process.execPath, args), { timeout: 60_000 })
  const spent = proxy.cpu() - before
  const { completed, failed } = JSON.parse(stdout) as { completed: number; failed: number }
  if (failed > 0) throw new Error(`${proxy.name}: ${failed} of ${completed} failed`)
  return spent / completed
}

function report(title: string, rows: readonly Row[]): void {
  process.stdout.write(`\n${title}\n`)
  const nginx = rows.find(({ proxy }) => proxy === 'nginx')
  const portkey = rows.find(({ proxy }) => proxy === 'portkey')
  const passed = rows.find(({ proxy }) => proxy === 'sluice, passed')
  for (const row of rows) {
    const cost = `${median(row.cost).toFixed(1).padStart(8)} µs (${span(row.cost)})`
    const times = nginx && ratios(row, nginx)
    const more = passed && row !== passed && ratios(row, passed)
    const share = portkey && row !== portkey && ratios(portkey, row)
    process.stdout.write(
      `  ${row.proxy.padEnd(22)}${cost}` +
        (times ? `  ${median(times).toFixed(2)}× nginx (${span(times)})` : '') +
        (more ? `  ${median(more).toFixed(2)}× passed (${span(more)})` : '') +
        (share ? `  1/${median(share).toFixed(1)} of Portkey` : '') +
        '\n',
    )
  }
}

/** How many times what the other costs, round by round. */
function ratios({ cost }: Row, other: Row): number[] {
  return cost.map((value, round) => value / other.cost[round]!)
}

function median(numbers: readonly number[]): number {
  const sorted = numbers.toSorted((a, b) => a - b)
  return (
    (sorted[Math.floor((sorted.length - 1) / 2)]! + sorted[Math.ceil((sorted.length - 1) / 2)]!) / 2
  )
}

function span(numbers: readonly number[]): string {
  return `${Math.min(...numbers).toFixed(2)}–${Math.max(...numbers).toFixed(2)}`
}

async function compare(
  title: string,
  kind: string,
  starts: readonly (() => Promise<Proxy | undefined>)[],
) {
  const started = await Promise.all(starts.map((begin) => begin()))
  const proxies = started.filter((proxy) => proxy !== undefined)
  report(title, await measure(kind, proxies))
  for (const proxy of proxies) await proxy.stop()
}

/** From spawn to the ready line, and the memory a moment later. */
async function measureStart(): Promise<void> {
  const times: number[] = []
  const memory: number[] = []
  for (let round = 0; round < rounds; round++) {
    const began = performance.now()
    const args = [COMMAND, 'run', '--port', '0', '--admin-port', '0', '--json']
    const { child } = await start(undefined, process.execPath, args, /\n/)
    times.push(performance.now() - began)
    await new Promise((resolve) => setTimeout(resolve, 500))
    const { stdout } = await run('ps', ['-o', 'rss=', '-p', String(child.pid)])
    memory.push(Number(stdout) / 1_024)
    child.kill('SIGINT')
    await new Promise((resolve) => child.once('exit', resolve))
  }
  process.stdout.write(
    `\nstart\n  ready after ${median(times).toFixed(0)} ms (${span(times)}), idle ${median(memory).toFixed(0)} MB (${span(memory)})\n`,
  )
}

try {
  process.stdout.write(
    `${cpus()[0]?.model}, ${cpus().length} cores, Node ${process.version}, ${rounds} rounds of ${seconds} s\n`,
  )
  const nginx = () => startNginx(upstreamPort)
  const pass = () => startSluice('sluice', config('[]'))
  if (wanted.has('pass')) {
    await compare('pass-through, CPU per request', 'pass', [
      nginx,
      pass,
      () => startPortkey(upstreamPort),
    ])
  }
  if (wanted.has('pipeline')) {
    await compare('twelve steps, CPU per request', 'pass', [
      nginx,
      pass,
      () => startSluice('sluice, 12 steps', config(twelve)),
    ])
  }
  if (wanted.has('production')) {
    await compare('the five that production needs, CPU per request', 'pass', [
      nginx,
      pass,
      () => startSluice('sluice, five', config(five)),
      () => startSluice('sluice, roadmap', config(production)),
    ])
  }
  if (wanted.has('auth')) {
    await compare('an API key with a role, CPU per request', 'pass', [
      nginx,
      pass,
      () => startSluice('sluice, auth', config(auth(''))),
      () =>
        startSluice(
          'sluice, and a quota',
          config(auth(', quotas: { perUser: { day: { requests: 1000000000 } } }')),
        ),
    ])
  }
  if (wanted.has('limits')) {
    await compare('two limits, CPU per request', 'pass', [
      nginx,
      pass,
      () => startSluice('sluice, requests', config(limits('requests: 1000000000'))),
      () => startSluice('sluice, and tokens', config(limits('requests: 1e9, tokens: 1e12'))),
    ])
  }
  if (wanted.has('script')) {
    await compare('a script on requests, CPU per request', 'pass', [
      pass,
      () => startSluice('sluice, body read', config(`[${reader}]`)),
      () => startSluice('sluice, inline', config(`\n      - ${script('inline')}`)),
      () => startSluice('sluice, process', config(`\n      - ${script('process')}`)),
    ])
  }
  if (wanted.has('sse')) {
    await compare('server-sent events, CPU per event', 'sse', [
      nginx,
      () => startSluice('sluice, passed', config('[]')),
      () => startSluice('sluice, observed', config(`[${log}]`)),
      () => startSluice('sluice, rewritten', config(rewrite)),
    ])
  }
  if (wanted.has('convert')) {
    const messages = async (name: string, yaml: string) => ({
      ...(await startSluice(name, yaml)),
      kind: 'messages',
    })
    await compare('server-sent events, CPU per event', 'sse', [
      () => startSluice('sluice, passed', config('[]')),
      () => startSluice('sluice, from messages', config('[]', { chat: 'claude' })),
    ])
    await compare('server-sent events of Anthropic, CPU per event', 'messages', [
      () => messages('sluice, passed', config('[]')),
      () => messages('sluice, from chat', config('[]', { messages: 'model' })),
    ])
  }
  if (wanted.has('websocket')) {
    await compare('WebSocket, CPU per message of 1 KB there and back', 'websocket', [nginx, pass])
  }
  if (wanted.has('start')) await measureStart()
  if (wanted.has('hostile')) {
    await measureHostile()
    await measureHostileRequests(upstreamPort)
  }
} finally {
  upstream.child.kill()
}
