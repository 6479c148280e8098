import type { DemoOptions } from '../../dialects/demo-schema.ts'
import type { ClientDialect, LlmDialect } from '../../dialects/dialect.ts'
import { DIALECTS, endpointOf } from '../../dialects/index.ts'
import { describeModels } from '../../dialects/models.ts'
import { type ErrorCode, ERRORS, GatewayError } from '../../errors.ts'
import { isObject, type Json, type JsonObject } from '../../kit/json.ts'
import type { AnswerHeaders } from '../../exchange.ts'
import type { UpstreamRequest } from '../upstream.ts'
import { messagesVoice } from './anthropic.ts'
import { readAsk } from './ask.ts'
import { echo } from './echo.ts'
import { geminiEmbeddings, openaiEmbeddings } from './embeddings.ts'
import { geminiAnswers, geminiVoice } from './gemini.ts'
import { chatVoice } from './openai-chat.ts'
import { responsesVoice } from './openai-responses.ts'
import { piecesOf } from './pieces.ts'
import { replyTo } from './reply.ts'
import type { Speech, Voice } from './voice.ts'

/** A request in one of the dialects that a demo upstream says it speaks. */
export type DemoRequest = UpstreamRequest & { readonly dialect: ClientDialect }

/** An answer in full, or as pieces that are still to be made. */
export interface DemoAnswer {
  readonly status: number
  readonly headers: AnswerHeaders
  readonly body: Buffer | Iterable<string>
}

/** What the demo knows beside the request. */
export interface DemoSetting {
  readonly options: DemoOptions
  /** What `models` lists. */
  readonly models: readonly string[]
  readonly now: () => number
}

const VOICES: Readonly<Record<LlmDialect, Voice>> = {
  'openai-chat': chatVoice,
  'openai-responses': responsesVoice,
  anthropic: messagesVoice,
  gemini: geminiVoice,
}

/** Deeper JSON is refused: what reads it recurses. */
const MAX_DEPTH = 256

/** Answers a request whose body is complete. Expected faults become answers in the dialect, as a provider's would. */
export function answer(request: DemoRequest, body: Buffer, setting: DemoSetting): DemoAnswer {
  const { dialect } = request
  try {
    if (dialect === 'http') {
      const { status, body: said } = echo(request, body)
      return plain(request, status, hasNoBody(status) ? undefined : said)
    }
    return answerLlm(request, dialect, body, setting)
  } catch (error) {
    if (error instanceof GatewayError) return failure(request, error)
    throw error
  }
}

/** An error answer in the request's dialect, as if a provider had sent it. */
export function failure(
  { id, dialect }: DemoRequest,
  { status, code, title, message: detail, param, headers }: GatewayError,
): DemoAnswer {
  const { [dialect]: spoken } = DIALECTS
  const rendered = spoken.renderError({ status, code, title, detail, param, requestId: id })
  return {
    status: rendered.status,
    headers: {
      'content-type': rendered.headers['content-type']!,
      [spoken.requestIdHeader]: `req_${id}`,
      ...headers,
    },
    body: Buffer.from(rendered.body),
  }
}

/** A failure that the demo was told to show. */
export function toldToFail(status: number, retryAfterMs: number | undefined): GatewayError {
  const codes = Object.keys(ERRORS) as ErrorCode[]
  const code = codes.find((name) => ERRORS[name].status === status)
  const headers: Record<string, string> =
    retryAfterMs === undefined ? {} : { 'retry-after': String(Math.ceil(retryAfterMs / 1000)) }
  return new GatewayError(code ?? 'INTERNAL', 'the demo upstream was told to fail', {
    status,
    headers,
  })
}

function answerLlm(
  request: DemoRequest,
  dialect: LlmDialect,
  bytes: Buffer,
  setting: DemoSetting,
): DemoAnswer {
  const { id, method, path, query, headers } = request
  const known = endpointOf(method, path, headers)
  const operation = known?.endpoint.operation
  const created = Math.floor(setting.now() / 1000)
  if (known !== undefined && operation === 'models' && method === 'GET') {
    const { model } = known.params
    return plain(request, 200, describeModels(dialect, setting.models, model, created))
  }
  if (known?.dialect !== dialect || operation === undefined || !OPERATIONS.has(operation)) {
    throw new GatewayError('ROUTE_NOT_FOUND', `the demo upstream does not serve ${method} ${path}`)
  }
  const body = parseBody(bytes)
  const model = DIALECTS[dialect].modelOf(path, body) ?? setting.models[0]!
  if (operation === 'embeddings') {
    const isGemini = dialect === 'gemini'
    return plain(request, 200, isGemini ? geminiEmbeddings(body) : openaiEmbeddings(body, model))
  }
  needPrompt(dialect, body)
  const ask = readAsk(dialect, body)
  if (operation === 'count-tokens') return plain(request, 200, counted(dialect, ask.inputTokens))
  const { text, chunks } = setting.options
  const reply = replyTo(ask, text)
  const pieces = () => piecesOf(reply.call?.json ?? reply.text, chunks)
  const speech: Speech = { id, model, created, body, reply, pieces }
  if (!DIALECTS[dialect].isStreaming(path, query, body)) {
    return plain(request, 200, VOICES[dialect].whole(speech))
  }
  // Gemini streams one JSON list unless events were asked for.
  return dialect === 'gemini' && !/(?:^|&)alt=sse(?:&|$)/.test(query)
    ? streamed(request, 'application/json', listOf(geminiAnswers(speech)))
    : streamed(request, 'text/event-stream; charset=utf-8', VOICES[dialect].events(speech))
}

const OPERATIONS: ReadonlySet<string> = new Set([
  'chat',
  'responses',
  'messages',
  'generate',
  'count-tokens',
  'embeddings',
])

/** The field that each API will not do without. */
const PROMPTS: Readonly<Record<LlmDialect, string>> = {
  'openai-chat': 'messages',
  'openai-responses': 'input',
  anthropic: 'messages',
  gemini: 'contents',
}

function needPrompt(dialect: LlmDialect, body: JsonObject): void {
  const name = PROMPTS[dialect]
  // A count may wrap the request, and a stored prompt may stand in for the input.
  if (dialect === 'gemini' && isObject(body['generateContentRequest'])) return
  const prompt = body[name]
  if (Array.isArray(prompt) || (dialect === 'openai-responses' && typeof prompt === 'string'))
    return
  const found = prompt === undefined ? 'nothing' : JSON.stringify(prompt).slice(0, 80)
  throw new GatewayError('SCHEMA_INVALID', `${name}: expected a list, got ${found}`, {
    param: name,
  })
}

function parseBody(bytes: Buffer): JsonObject {
  let body: unknown
  try {
    body = JSON.parse(bytes.toString())
  } catch (cause) {
    throw new GatewayError('INVALID_JSON', 'the body is not valid JSON', { cause })
  }
  if (!isObject(body)) throw new GatewayError('SCHEMA_INVALID', 'the body is not a JSON object')
  if (isDeeper(body, MAX_DEPTH)) {
    throw new GatewayError('SCHEMA_INVALID', `the body is nested deeper than ${MAX_DEPTH} levels`)
  }
  return body as JsonObject
}

function isDeeper(value: unknown, limit: number): boolean {
  if (typeof value !== 'object' || value === null) return false
  return limit === 0 || Object.values(value).some((item) => isDeeper(item, limit - 1))
}

function counted(dialect: ClientDialect, tokens: number): Json {
  if (dialect === 'gemini') {
    return {
      totalTokens: tokens,
      promptTokensDetails: [{ modality: 'TEXT', tokenCount: tokens }],
    }
  }
  return dialect === 'anthropic'
    ? { input_tokens: tokens }
    : { object: 'response.input_tokens', input_tokens: tokens }
}

function plain(request: DemoRequest, status: number, body: Json | undefined): DemoAnswer {
  const hasBody = body !== undefined
  return {
    status,
    headers: head(request, hasBody ? 'application/json' : undefined),
    body: hasBody ? Buffer.from(JSON.stringify(body)) : Buffer.alloc(0),
  }
}

function streamed(request: DemoRequest, type: string, body: Iterable<string>): DemoAnswer {
  return { status: 200, headers: { ...head(request, type), 'cache-control': 'no-cache' }, body }
}

function head({ id, dialect }: DemoRequest, type: string | undefined): AnswerHeaders {
  const { requestIdHeader } = DIALECTS[dialect]
  return {
    ...(type === undefined ? {} : { 'content-type': type }),
    [requestIdHeader]: `req_${id}`,
  }
}

function hasNoBody(status: number): boolean {
  return status === 204 || status === 304
}

function* listOf(items: Iterable<Json>): Generator<string> {
  let opening = '['
  for (const item of items) {
    yield opening + JSON.stringify(item)
    opening = ',\n'
  }
  yield ']'
}
