import { globSync, readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join, resolve } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import { catalog } from '#core/cli/catalog.ts'
import { loadConfig } from '#core/config/load.ts'
import { formatProblem } from '#core/config/problems.ts'
import { startGateway } from '#core/kernel/gateway.ts'
import { startTestGateway } from '../support/gateway.ts'
import { startUpstream } from '../support/upstream.ts'
import { type Call, parseCall, trialsOf } from './example.ts'

const examples = globSync('examples/*.yaml').sort()

describe.each(examples)('%s', (file) => {
  const yaml = readFileSync(file, 'utf8')

  it('says what it shows', () => {
    const [schema, ...words] = yaml.split('\n')
    expect(schema).toBe('# yaml-language-server: $schema=../schemas/gateway.schema.json')
    expect(words[0]).toMatch(/^# [A-Z].+/)
    expect(trialsOf(yaml).length).toBeGreaterThan(0)
  })

  it('has no problem', async () => {
    const { problems } = await loadConfig(resolve(file), { env: {}, cwd: resolve('.'), catalog })
    expect(problems.map(formatProblem)).toEqual([])
  })

  it.each(trialsOf(yaml))('$command → $status $part', async ({ command, status, part }) => {
    const url = await start(file)
    const answer = await send(parseCall(command), url)
    expect(answer).toMatch(new RegExp(`^${status} `))
    expect(answer).toContain(part)
  })
})

describe('an example', () => {
  it('is caught when it promises nothing', () => {
    expect(() => trialsOf('# try: curl localhost:8080/\n\nversion: 1')).toThrow(
      'nothing is expected',
    )
  })

  it('is caught when a call has options that are not understood', () => {
    expect(() => parseCall('curl --fail localhost:8080/')).toThrow('unknown word: --fail')
    expect(() => parseCall('wget localhost:8080/')).toThrow('unknown program')
  })

  it('is shown in the list of examples, or by its plugin', () => {
    const pages = globSync(['examples/README.md', 'plugins/*/README.md'])
    const words = pages.map((page) => readFileSync(page, 'utf8')).join('\n')
    expect(findUnlisted(examples, words)).toEqual([])
    expect(findUnlisted(['examples/new.yaml'], '| [old](old.yaml) |')).toEqual([
      'examples/new.yaml',
    ])
  })
})

function findUnlisted(files: readonly string[], words: string): string[] {
  const isShown = (file: string) =>
    words.includes(`](${basename(file)})`) || words.includes(`](../../${file})`)
  return files.filter((file) => !isShown(file))
}

/** Runs an example as it stands, where it stands; what lies behind it is here. */
async function start(file: string): Promise<string> {
  const provider = await startProvider()
  const cloud = await startCloud()
  const env = {
    OPENAI_BASE_URL: `${provider}/v1`,
    OPENAI_API_KEY: 'sk-test',
    WEATHER_URL: provider,
    AZURE_OPENAI_URL: cloud,
    AZURE_TOKEN_URL: `${cloud}/token`,
    AZURE_CLIENT_SECRET: 'secret',
    BEDROCK_URL: cloud,
    AWS_ACCESS_KEY_ID: 'AKID',
    AWS_SECRET_ACCESS_KEY: 'secret',
    LIVE_URL: await startLive(),
  }
  const silent = () => undefined
  const cwd = await mkdtemp(join(tmpdir(), 'sluice-example-'))
  const gateway = await startGateway({
    file: resolve(file),
    cwd,
    env,
    catalog,
    port: 0,
    adminPort: 0,
    log: { debug: silent, info: silent, warn: silent, error: silent },
  })
  onTestFinished(async () => {
    await gateway.close({ delayMs: 0 })
    await rm(cwd, { recursive: true })
  })
  return gateway.url
}

/** A provider that wants to see a key, and beside it a service that shows what it is asked. */
async function startProvider(): Promise<string> {
  const { url } = await startTestGateway(`
upstreams: { demo: { dialect: demo } }
pipelines:
  keys:
    - filter: { allow: { startsWith: [$req.headers.authorization, 'Bearer sk-'] }, status: 401 }
routes:
  - { id: openai, match: { api: llm }, pipeline: keys, upstream: demo }
  - { id: weather, match: { path: /v1/forecast }, upstream: demo }
`)
  return url
}

/** Bedrock, Azure and its tokens, to those who present what they must. */
async function startCloud(): Promise<string> {
  const content = [{ text: 'Hello from Bedrock' }]
  const converse = { output: { message: { role: 'assistant', content } }, stopReason: 'end_turn' }
  const answers: Readonly<Record<string, readonly [credential: string, answer: object]>> = {
    '/token': ['', { access_token: 'entra', token_type: 'Bearer', expires_in: 3600 }],
    '/openai/v1/chat/completions': ['Bearer entra', { object: 'chat.completion', choices: [] }],
    '/model/eu.anthropic.claude-haiku-4-5-20251001-v1%3A0/converse': ['AWS4-HMAC-SHA256', converse],
  }
  const { url } = await startUpstream((req, res) => {
    req.resume()
    const [credential, answer] = answers[req.url!] ?? ['nobody', {}]
    const isIn = (req.headers.authorization ?? '').startsWith(credential)
    res.writeHead(isIn ? 200 : 403, { 'content-type': 'application/json' })
    res.end(JSON.stringify(answer))
  })
  return url
}

/** A service that sends each message back. */
async function startLive(): Promise<string> {
  const { url, server } = await startUpstream((_, res) => res.end())
  const sockets = new WebSocketServer({ server })
  sockets.on('connection', (socket) => {
    socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }))
  })
  onTestFinished(() => sockets.clients.forEach((socket) => socket.terminate()))
  return url
}

/** Status, head and body of what a call is answered. */
async function send(call: Call, gateway: string): Promise<string> {
  const { host } = new URL(gateway)
  const url = Object.assign(new URL(call.url), { host })
  if (url.protocol === 'ws:') return converse(url, call)
  const { method, headers, body } = call
  const answer = await fetch(url, { method, headers, ...(body === undefined ? {} : { body }) })
  const head = [...answer.headers].map(([name, value]) => `${name}: ${value}`)
  return [`${answer.status} `, ...head, '', await answer.text()].join('\n')
}

async function converse(url: URL, { headers, body = '' }: Call): Promise<string> {
  const { promise, resolve: done, reject } = Promise.withResolvers<string>()
  const socket = new WebSocket(url, { headers })
  socket.once('open', () => socket.send(body))
  socket.once('message', (data) => {
    done(`101 \n\n${data.toString()}`)
    socket.close()
  })
  socket.once('unexpected-response', (_, answer) => {
    answer.setEncoding('utf8').once('data', (text) => done(`${answer.statusCode} \n\n${text}`))
  })
  socket.once('error', reject)
  return promise
}
