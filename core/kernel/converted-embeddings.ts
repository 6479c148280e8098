import type { LlmDialect } from '../dialects/dialect.ts'
import {
  decodeEmbeddings,
  EMBEDDINGS,
  encodeEmbeddings,
  type EmbeddingsAnswer,
  type EmbeddingsRequest,
} from '../dialects/embeddings.ts'
import { Report } from '../dialects/hub/report.ts'
import { DIALECTS } from '../dialects/index.ts'
import { makeUsage } from '../dialects/usage.ts'
import { GatewayError } from '../errors.ts'
import { jsonOf } from '../kit/json.ts'
import type { UpstreamAnswer } from '../upstream/upstream.ts'
import type { DeliverOptions, LiveUpstream } from './ask.ts'
import { askAs } from './ask-as.ts'
import { applyError, showReport } from './converted-answer.ts'
import { bodyOf, type ConvertOptions, headersOf, refuse } from './converted-request.ts'
import type { LiveExchange } from './exchange.ts'

/** Asks a model of another dialect for vectors, in as many requests as its batches need. */
export async function deliverEmbeddings(
  exchange: LiveExchange,
  live: LiveUpstream,
  options: DeliverOptions,
  given: ConvertOptions,
): Promise<void> {
  const { req, res } = exchange
  const { to, path, alias } = given
  const from = req.dialect as LlmDialect
  const api = EMBEDDINGS[to]!
  const report = new Report(to)
  const body = bodyOf(req)
  const request = decodeEmbeddings(from, body, report)
  if (request === undefined) throw noInput(from)
  const asked = DIALECTS[from].modelOf(path, body) ?? ''
  if (!api.takesTokens && request.inputs.some((input) => typeof input !== 'string')) {
    report.note('refused', 'input', 'the target takes texts, not tokens')
  }
  refuse(report, given)
  const model = alias ?? asked
  const headers = headersOf(req, given, { accept: 'application/json' })
  const parts: EmbeddingsAnswer[] = []
  let answer: UpstreamAnswer
  let at = 0
  do {
    const inputs = request.inputs.slice(at, at + api.batch)
    answer = await askAs(exchange, live, options, {
      dialect: to,
      model,
      path: api.path(model),
      headers,
      body: api.encode(model, inputs, request),
    })
    const json = Buffer.isBuffer(answer.body) ? jsonOf(answer.body) : undefined
    if (answer.status >= 400) {
      applyError(exchange, { from, to }, answer, json)
      return showReport(exchange, live, answer, { report, model })
    }
    const part = api.decode(json)
    if (part?.vectors.length !== inputs.length) {
      const found = part?.vectors.length ?? 0
      const detail = `the upstream gave ${found} embeddings for ${inputs.length} inputs`
      throw new GatewayError('UPSTREAM_PROTOCOL', detail)
    }
    parts.push(part)
    at += api.batch
  } while (at < request.inputs.length)
  const whole = joined(parts)
  const { inputTokens } = whole
  exchange.upstreamUsage = () =>
    inputTokens === undefined ? undefined : makeUsage({ input: inputTokens, output: 0 })
  res.status = 200
  res.set('content-type', 'application/json')
  res.body = encodeEmbeddings(request, withUsage(request, whole, report), asked)
  showReport(exchange, live, answer, { report, model })
}

function joined(parts: readonly EmbeddingsAnswer[]): EmbeddingsAnswer {
  const counts = parts.map(({ inputTokens }) => inputTokens)
  const isCounted = counts.every((count) => count !== undefined)
  return {
    vectors: parts.flatMap(({ vectors }) => vectors),
    inputTokens: isCounted ? counts.reduce((sum, count) => sum + count, 0) : undefined,
  }
}

/** Prose has about so many bytes to a token. */
const BYTES_PER_TOKEN = 4

/** OpenAI's answers have a count; where the upstream tells none, it is estimated and said so. */
function withUsage(
  { source, inputs }: EmbeddingsRequest,
  answer: EmbeddingsAnswer,
  report: Report,
): EmbeddingsAnswer {
  if (source !== 'openai-chat' || answer.inputTokens !== undefined) return answer
  report.note('emulated', 'usage', 'it is estimated')
  const bytes = inputs.map((input) =>
    typeof input === 'string' ? Buffer.byteLength(input) : input.length * BYTES_PER_TOKEN,
  )
  const inputTokens = Math.ceil(bytes.reduce((sum, count) => sum + count, 0) / BYTES_PER_TOKEN)
  return { ...answer, inputTokens }
}

function noInput(from: LlmDialect): GatewayError {
  const param = from === 'gemini' ? 'content' : 'input'
  return new GatewayError('SCHEMA_INVALID', `${param}: expected text, or a list of texts`, {
    param,
  })
}
