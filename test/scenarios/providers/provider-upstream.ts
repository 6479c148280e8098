import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { ProviderDialect } from '#core/dialects/dialect.ts'
import type { JsonObject } from '#core/kit/json.ts'
import { PROVIDER_WIRES, type Said } from '../../support/provider-wires.ts'
import { bodyOf } from '../../support/upstream.ts'

/** What is answered to a prompt that holds a word. */
export type Scripted =
  | { readonly said: Said; readonly cutAfter?: number; readonly failAfter?: number }
  | { readonly status: number; readonly message: string }

/** Where each provider's API is. */
const PATHS: Readonly<Record<ProviderDialect, RegExp>> = {
  'azure-openai': /^\/openai\/deployments\/gpt-4o\/chat\/completions\?api-version=2024-10-21$/,
  bedrock: /^\/model\/us\.anthropic\.claude-haiku-4-5-20251001-v1%3A0\/converse(-stream)?$/,
  cohere: /^\/v2\/chat$/,
  mistral: /^\/v1\/chat\/completions$/,
  ollama: /^\/api\/chat$/,
}

/** A provider that says what it is told to, in its own words, in pieces that end anywhere. */
export class ProviderUpstream {
  readonly dialect: ProviderDialect
  readonly requests: JsonObject[] = []
  readonly #scripts: ReadonlyMap<string, Scripted>
  readonly #server: Server = createServer((req, res) => void this.#answer(req, res))

  /** `scripts`: by a word in the latest turn. */
  constructor(dialect: ProviderDialect, scripts: ReadonlyMap<string, Scripted>) {
    this.dialect = dialect
    this.#scripts = scripts
  }

  async start(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve))
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  async #answer(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const wire = PROVIDER_WIRES[this.dialect]
    const body = JSON.parse((await bodyOf(req)).toString()) as JsonObject
    this.requests.push(body)
    const last = JSON.stringify((body['messages'] as JsonObject[]).at(-1))
    const scripted = [...this.#scripts].find(([word]) => last.includes(word))?.[1]
    if (!PATHS[this.dialect].test(req.url!) || scripted === undefined) {
      return sendJson(res, 404, wire.error(`nothing at ${req.url} for ${last}`))
    }
    if ('status' in scripted) return sendJson(res, scripted.status, wire.error(scripted.message))
    const isStream = body['stream'] === true || req.url!.endsWith('-stream')
    if (!isStream) return sendJson(res, 200, wire.answer(scripted.said))
    const { cutAfter, failAfter, said } = scripted
    const events = wire.events(said)
    const told = wire.bytes(events.slice(0, cutAfter ?? failAfter))
    const isWhole = cutAfter === undefined && failAfter === undefined
    const bytes = isWhole ? told : Buffer.from(told.toString('latin1').replace(DONE, ''), 'latin1')
    res.writeHead(200, { 'content-type': wire.mediaType })
    await sendPieces(res, failAfter === undefined ? bytes : Buffer.concat([bytes, wire.failure]))
    res.end()
  }
}

const DONE = 'data: [DONE]\n\n'

function sendJson(res: ServerResponse, status: number, body: JsonObject): void {
  const wait = status === 429 ? { 'retry-after': '7' } : {}
  res.writeHead(status, { 'content-type': 'application/json', ...wait })
  res.end(JSON.stringify(body))
}

/** Sizes that end within frames, lines, characters and lengths. */
const SIZES = [1, 2, 5, 64, 31, 1, 200, 13, 120]

async function sendPieces(res: ServerResponse, bytes: Buffer): Promise<void> {
  for (let at = 0, turn = 0; at < bytes.length && !res.destroyed; turn++) {
    const size = SIZES[turn % SIZES.length]!
    await new Promise((resolve) => void res.write(bytes.subarray(at, at + size), resolve))
    at += size
  }
}
