import type { IncomingMessage, ServerResponse } from 'node:http'
import { onTestFinished } from 'vitest'
import { startTestGateway } from '../support/gateway.ts'
import { bodyOf, startUpstream } from '../support/upstream.ts'

/** What an upstream does with one request. */
export type Turn = (res: ServerResponse, req: IncomingMessage) => void

/** One request as an upstream got it. */
export interface Seen {
  readonly at: number
  readonly path: string
  readonly headers: IncomingMessage['headers']
  readonly body: string
}

/** An upstream that takes the turns one after another, the last one for ever. */
export async function startScripted(...turns: readonly Turn[]) {
  const seen: Seen[] = []
  async function take(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const turn = turns[Math.min(seen.length, turns.length - 1)]!
    const entry = { at: performance.now(), path: req.url!, headers: req.headers, body: '' }
    seen.push(entry)
    entry.body = String(await bodyOf(req))
    turn(res, req)
  }
  const { url } = await startUpstream((req, res) => void take(req, res).catch(() => res.destroy()))
  return { url, seen }
}

export const ANSWER = {
  id: 'chatcmpl-1',
  object: 'chat.completion',
  created: 1,
  model: 'gpt-4o',
  choices: [{ index: 0, message: { role: 'assistant', content: 'hello' }, finish_reason: 'stop' }],
  usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 },
}

/** Answers with JSON. */
export function answers(
  status: number,
  body: object = ANSWER,
  headers: Record<string, string> = {},
): Turn {
  return (res) => {
    res.writeHead(status, { 'content-type': 'application/json', ...headers })
    res.end(JSON.stringify(body))
  }
}

/** An OpenAI error. */
export function fails(status: number, headers: Record<string, string> = {}): Turn {
  return answers(
    status,
    { error: { message: 'no', type: 'server_error', code: null, param: null } },
    headers,
  )
}

/** Breaks the connection without an answer. */
export const resets: Turn = (res) => void res.socket!.resetAndDestroy()

/** Sends events as they are given; then ends, or breaks off. */
export function streams(
  events: readonly (object | string)[],
  end: 'end' | 'cut' | 'open' = 'end',
): Turn {
  return (res) => {
    res.writeHead(200, { 'content-type': 'text/event-stream' })
    for (const event of events) {
      res.write(`data: ${typeof event === 'string' ? event : JSON.stringify(event)}\n\n`)
    }
    if (end === 'end') res.end()
    // After the events are on their way.
    else if (end === 'cut') setImmediate(() => res.socket!.resetAndDestroy())
  }
}

/** Chunks of a chat stream. */
export const ROLE = {
  choices: [{ index: 0, delta: { role: 'assistant', content: '' }, finish_reason: null }],
}
export const HELLO = { choices: [{ index: 0, delta: { content: 'hello' }, finish_reason: null }] }
export const STOP = { choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] }
export const OVERLOADED = {
  error: { message: 'overloaded', type: 'server_error', code: 'server_is_overloaded' },
}
export const WHOLE = [ROLE, HELLO, STOP, '[DONE]']

/** A gateway with one retryPolicy in front of upstreams given as YAML, the first of which serves the route. */
export async function startRetrying(options: string, upstreams: Readonly<Record<string, string>>) {
  const [[first, yaml]] = Object.entries(upstreams) as [[string, string]]
  const match = yaml.includes('dialect: http') ? '{ path: /* }' : '{ api: openai-chat }'
  return startTestGateway(`
upstreams:
${Object.entries(upstreams)
  .map(([name, yaml]) => `  ${name}: ${yaml}`)
  .join('\n')}
pipelines:
  chat:
    - retryPolicy: ${options}
routes:
  - { id: main, match: ${match}, pipeline: chat, upstream: ${first} }
`)
}

export function chatAt(url: string): string {
  return `{ dialect: openai-chat, url: "${url}/v1", keys: ["key-1"] }`
}

/** Asks for a chat completion. */
export function ask(url: string, body: object = {}, init: RequestInit = {}): Promise<Response> {
  const controller = new AbortController()
  onTestFinished(() => controller.abort())
  return fetch(`${url}/v1/chat/completions`, {
    method: 'POST',
    signal: controller.signal,
    ...init,
    headers: { 'content-type': 'application/json', ...(init.headers as Record<string, string>) },
    body: JSON.stringify({ model: 'gpt-4o', messages: [{ role: 'user', content: 'hi' }], ...body }),
  })
}
