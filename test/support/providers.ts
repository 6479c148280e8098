import type { IncomingHttpHeaders, ServerResponse } from 'node:http'
import type { LlmDialect } from '#core/dialects/dialect.ts'
import type { JsonObject } from '#core/kit/json.ts'
import { ANSWERS, framed } from './answers.ts'
import { bodyOf, startUpstream, type TestUpstream } from './upstream.ts'

/** What a provider was asked. */
export interface Asked {
  readonly method: string
  readonly url: string
  readonly headers: IncomingHttpHeaders
  readonly body: JsonObject
}

/** A provider that writes down what it is asked, and answers as it is told. */
export interface TestProvider extends TestUpstream {
  readonly asked: Asked[]
}

/** How each API is asked for a conversation. */
const PATHS: Readonly<Record<LlmDialect, RegExp>> = {
  'openai-chat': /^\/v1\/chat\/completions$/,
  'openai-responses': /^\/v1\/responses$/,
  anthropic: /^\/v1\/messages$/,
  gemini: /^\/v1beta\/models\/[^/:]+:(generateContent|streamGenerateContent\?alt=sse)$/,
}

/** Starts a provider of a dialect; it refuses what is not asked at its own path with its own key. */
export async function startProvider(
  dialect: LlmDialect,
  answer: (res: ServerResponse, asked: Asked) => void = (res, asked) =>
    answerWith(res, dialect, asked),
): Promise<TestProvider> {
  const asked: Asked[] = []
  const upstream = await startUpstream(async (req, res) => {
    const body = JSON.parse((await bodyOf(req)).toString() || '{}') as JsonObject
    const one = { method: req.method!, url: req.url!, headers: req.headers, body }
    asked.push(one)
    if (!PATHS[dialect].test(one.url)) res.writeHead(404).end(`nothing at ${one.url}`)
    else answer(res, one)
  })
  return { ...upstream, asked }
}

/** The answer of `answers.ts`, whole or as a stream. */
export function answerWith(res: ServerResponse, dialect: LlmDialect, { url, body }: Asked): void {
  if (body['stream'] === true || url.includes('streamGenerateContent')) {
    const frames = framed(dialect, ANSWERS[dialect].events)
    res.writeHead(200, { 'content-type': 'text/event-stream' }).end(frames.join(''))
  } else sendJson(res, 200, ANSWERS[dialect].whole)
}

export function sendJson(
  res: ServerResponse,
  status: number,
  body: object,
  headers: Readonly<Record<string, string>> = {},
): void {
  res.writeHead(status, { 'content-type': 'application/json', ...headers })
  res.end(JSON.stringify(body))
}

/** The same short question in each dialect. */
const BODIES: Readonly<Record<LlmDialect, JsonObject>> = {
  'openai-chat': { model: 'm', messages: [{ role: 'user', content: 'Hi' }] },
  'openai-responses': { model: 'm', input: 'Hi' },
  anthropic: { model: 'm', max_tokens: 100, messages: [{ role: 'user', content: 'Hi' }] },
  gemini: { contents: [{ role: 'user', parts: [{ text: 'Hi' }] }] },
}

/** What a client got. */
export interface Got {
  readonly status: number
  readonly headers: Headers
  readonly text: string
}

/** Asks a gateway as a client of the dialect, without an SDK; `more` is added to the body. */
export async function askFor(
  dialect: LlmDialect,
  url: string,
  options: {
    readonly stream?: boolean
    readonly body?: JsonObject
    readonly headers?: Readonly<Record<string, string>>
    readonly query?: string
  } = {},
): Promise<Got> {
  const { stream = false, body = {}, headers = {}, query = '' } = options
  const method = stream ? 'streamGenerateContent?alt=sse' : 'generateContent'
  const paths: Readonly<Record<LlmDialect, string>> = {
    'openai-chat': '/v1/chat/completions',
    'openai-responses': '/v1/responses',
    anthropic: '/v1/messages',
    gemini: `/v1beta/models/m:${method}`,
  }
  const asked = { ...BODIES[dialect], ...(stream && dialect !== 'gemini' ? { stream } : {}) }
  const answer = await fetch(url + paths[dialect] + query, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify({ ...asked, ...body }),
  })
  return { status: answer.status, headers: answer.headers, text: await answer.text() }
}
