import { targetsOf } from '../dialects/operations.ts'
import type { UpstreamAnswer } from '../upstream/upstream.ts'
import type { DeliverOptions, LiveUpstream } from './ask.ts'
import { askAs } from './ask-as.ts'
import { applyConverted, refusalOf, showReport } from './converted-answer.ts'
import {
  type ConvertedRequest,
  convertRequest,
  type ConvertOptions,
  leaveOut,
} from './converted-request.ts'
import type { LiveExchange } from './exchange.ts'
import { refusedFields, rememberRefused } from './learned.ts'
import { convertForResponses } from './needs-responses.ts'

/** A request may have more than one field that a model does not take, and each is refused by itself. */
const MAX_TRIES = 4

/** Asks a model of another dialect; fields that it refuses, and that only tune, are left out from then on. */
export async function deliverConversation(
  exchange: LiveExchange,
  live: LiveUpstream,
  options: DeliverOptions,
  given: ConvertOptions,
): Promise<void> {
  const { isStrict } = given
  const { upstream } = live
  let converted = convertFor(exchange, given)
  const { request, report } = converted.crossing
  // Who asks that nothing is dropped hears of the refusal instead.
  if (!isStrict) converted = leaveOut(converted, refusedFields(upstream, request.model))
  let answer = await send(exchange, live, options, converted)
  for (let tries = isStrict ? MAX_TRIES : 1; tries < MAX_TRIES; tries++) {
    const refused = refusalOf(converted, answer)
    if (refused === undefined) break
    rememberRefused(upstream, request.model, refused)
    converted = leaveOut(converted, new Set([refused]))
    answer = await send(exchange, live, options, converted)
  }
  try {
    applyConverted(exchange, converted, answer)
  } finally {
    showReport(exchange, live, answer, { report, model: request.model })
  }
}

/** For an upstream of both of OpenAI's APIs, the one that the model needs. */
function convertFor(exchange: LiveExchange, given: ConvertOptions): ConvertedRequest {
  const { to, upstream } = given
  const hasBoth = to === 'openai-chat' && targetsOf(upstream.dialects).includes('openai-responses')
  if (!hasBoth) return convertRequest(exchange, given)
  // What Chat Completions would refuse may well be what Responses takes.
  const chat = convertRequest(exchange, { ...given, isStrict: false })
  return convertForResponses(exchange, chat, given) ?? convertRequest(exchange, given)
}

function send(
  exchange: LiveExchange,
  live: LiveUpstream,
  options: DeliverOptions,
  { to, crossing, destination, headers, body }: ConvertedRequest,
): Promise<UpstreamAnswer> {
  const { path, query } = destination
  const { model } = crossing.request
  return askAs(exchange, live, options, { dialect: to, model, path, query, headers, body })
}
