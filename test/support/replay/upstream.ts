import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as wait } from 'node:timers/promises'
import { gzipSync } from 'node:zlib'
import type { LlmDialect } from '#core/dialects/dialect.ts'
import type { JsonObject } from '#core/kit/json.ts'
import { bodyOf } from '../upstream.ts'
import type { Failure } from './answer-form.ts'
import type { Ask, Said } from './conversation.ts'
import { PROVIDERS } from './provider.ts'
import type { ReplayRequest } from './rule.ts'

/** How an answer's bytes reach the gateway. */
export interface Delivery {
  /** Bytes that are written at once: 1 for each byte alone. All by default. */
  readonly split?: number
  /** Milliseconds before the answer. */
  readonly delay?: number
  /** Frames after which the connection is closed (`end`: as if all had been said; `drop`: in the middle of its framing). */
  readonly cut?: { readonly after: number; readonly how: 'end' | 'drop' }
  /** Frames after which the provider's own error comes, in a stream that began with 200. */
  readonly errorAfter?: number
  /** Compresses the answer where the request accepts that. */
  readonly gzip?: boolean
}

/** What is answered to one request. */
export type Scripted =
  | { readonly said: Said; readonly delivery?: Delivery }
  | { readonly failure: 'rateLimit' | 'serverError' }
  /** Recorded bytes: a complete answer, and the frames of a stream. */
  | { readonly plain: JsonObject; readonly frames: readonly string[]; readonly delivery?: Delivery }

/** One conversation that is expected, known by a word in its first prompt. */
export interface Script {
  readonly word: string
  /** What has reached the upstream, request by request. */
  readonly requests: (ReplayRequest & { readonly asked: Ask; readonly isStream: boolean })[]
}

/** A provider that answers as it is told, and refuses what the real one would refuse. */
export class ReplayUpstream {
  readonly dialect: LlmDialect
  readonly #server = createServer((req, res) => void this.#answer(req, res))
  readonly #scripts = new Map<string, { script: Script; answers: readonly Scripted[] }>()

  constructor(dialect: LlmDialect) {
    this.dialect = dialect
  }

  async start(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve))
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  /** All that was expected. */
  get scripts(): readonly Script[] {
    return [...this.#scripts.values()].map(({ script }) => script)
  }

  /** Expects a conversation; its requests are answered in this order. `word` where it began elsewhere. */
  expect(answers: readonly Scripted[], word?: string): Script {
    return this.#expect(answers, word ?? `case-${this.#scripts.size}-${this.dialect}`)
  }

  #expect(answers: readonly Scripted[], word: string): Script {
    const script: Script = { word, requests: [] }
    this.#scripts.set(word, { script, answers })
    return script
  }

  async #answer(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const provider = PROVIDERS[this.dialect]
    const text = (await bodyOf(req)).toString('utf8')
    const [path, query = ''] = req.url!.split('?', 2) as [string, string?]
    const word = /case-\d+-[a-z-]+[a-z]/.exec(text)?.[0] ?? ''
    const found = this.#scripts.get(word)
    if (!provider.path.test(path) || found === undefined) {
      return sendFailure(res, { status: 404, body: { error: `${req.method} ${path} ${word}` } })
    }
    const request = { path, query, headers: req.headers, body: JSON.parse(text) as JsonObject }
    const faults = [...provider.rules(request)]
    if (faults.length > 0) {
      return sendFailure(res, provider.answers.refusedRequest(faults.join('\n')))
    }
    const { script, answers } = found
    const isStream = /:stream/.test(path) || request.body['stream'] === true
    script.requests.push({ ...request, asked: provider.asked(request.body), isStream })
    const scripted = answers[script.requests.length - 1]
    if (scripted === undefined)
      return sendFailure(res, provider.answers.refusedRequest('no answer'))
    if ('failure' in scripted) return sendFailure(res, provider.answers[scripted.failure]())
    const takesGzip = req.headers['accept-encoding']?.includes('gzip') ?? false
    const { gzip = false, ...how } = scripted.delivery ?? {}
    const delivery = { ...how, gzip: gzip && takesGzip }
    if (delivery.delay !== undefined) await wait(delivery.delay)
    const told = { ...request.body, $model: /models\/([^:]+)/.exec(path)?.[1] ?? '' }
    if (isStream) {
      const frames =
        'said' in scripted ? provider.answers.frames(scripted.said, told) : scripted.frames
      return await sendFrames(res, frames, delivery, provider.answers.errorFrame())
    }
    const plain = 'said' in scripted ? provider.answers.plain(scripted.said, told) : scripted.plain
    await send(res, 'application/json', Buffer.from(JSON.stringify(plain)), delivery)
  }
}

function sendFailure(res: ServerResponse, { status, headers, body }: Failure): void {
  res.writeHead(status, { 'content-type': 'application/json', ...headers })
  res.end(JSON.stringify(body))
}

async function sendFrames(
  res: ServerResponse,
  frames: readonly string[],
  delivery: Delivery,
  errorFrame: string,
): Promise<void> {
  const { cut, errorAfter } = delivery
  const sent = frames.slice(0, cut?.after ?? errorAfter ?? frames.length)
  if (errorAfter !== undefined) sent.push(errorFrame)
  const type = 'text/event-stream; charset=utf-8'
  await send(res, type, Buffer.from(sent.join('')), delivery, cut?.how === 'drop')
}

async function send(
  res: ServerResponse,
  type: string,
  plain: Buffer,
  { split, gzip = false }: Delivery,
  isDropped = false,
): Promise<void> {
  const bytes = gzip ? gzipSync(plain) : plain
  res.writeHead(200, {
    'content-type': type,
    ...(gzip ? { 'content-encoding': 'gzip' } : {}),
  })
  res.flushHeaders()
  const size = split ?? bytes.length
  for (let at = 0; at < bytes.length && !res.destroyed; at += size) {
    await new Promise((resolve) => void res.write(bytes.subarray(at, at + size), resolve))
  }
  if (isDropped) res.socket?.destroy()
  else res.end()
}
