import type { JsonObject } from '../../kit/json.ts'
import { capabilitiesOf } from '../capabilities.ts'
import type { Usage } from '../dialect.ts'
import type { Finish, HubAnswer } from '../hub/answer.ts'
import type { Crossing } from '../hub/codec.ts'
import {
  nativeFields,
  nativeForm,
  type Citation,
  type Proof,
  type ReasoningPart,
  type TextPart,
  type ToolCallPart,
} from '../hub/conversation.ts'
import { newCrossing } from '../hub/crossing.ts'
import { json, objectOf } from '../hub/fields.ts'
import { sealProof } from '../hub/proof.ts'
import { encodeTop } from './openai-responses-encode.ts'
import { namespaceOf } from './openai-responses-tools.ts'

const DIALECT = 'openai-responses'

/** The `output_text` of a text. */
export function textContent(
  text: string,
  annotations: readonly JsonObject[],
  native?: TextPart['native'],
): JsonObject {
  const own = nativeFields(native, DIALECT)
  return { type: 'output_text', text, annotations: [...annotations], logprobs: [], ...own }
}

/** An annotation; sources without an address are not known here. */
export function encodeCitation({ url, title, start, end, native }: Citation): JsonObject {
  return {
    type: 'url_citation',
    url: url ?? '',
    title: title ?? url ?? '',
    start_index: start ?? 0,
    end_index: end ?? 0,
    ...nativeFields(native, DIALECT),
  }
}

/** A message item, complete. */
export function messageItem(id: string, content: readonly JsonObject[]): JsonObject {
  return { id, type: 'message', status: 'completed', role: 'assistant', content: [...content] }
}

/** A thought that is nothing but a proof. */
export function proofItem(proof: Proof, frame: ResponseFrame): JsonObject {
  return reasoningItem({ text: '', proof }, frame)
}

/** A reasoning item, complete. */
export function reasoningItem(
  { text, proof, native }: Pick<ReasoningPart, 'text' | 'proof' | 'native'>,
  frame: ResponseFrame,
): JsonObject {
  return json({
    id: frame.itemId('rs'),
    type: 'reasoning',
    summary: text === '' ? [] : [{ type: 'summary_text', text }],
    encrypted_content: proof === undefined ? undefined : encrypted(proof),
    ...nativeFields(native, DIALECT),
  })
}

/** A proof as the client hands it back: OpenAI's own as it is, others sealed. */
export function encrypted(proof: Proof): string {
  return proof.provider === 'openai' && proof.kind === 'encrypted' ? proof.data : sealProof(proof)
}

/** A call's item, complete. Tools of a namespace are told with it. */
export function callItem(
  part: Pick<ToolCallPart, 'id' | 'name' | 'kind' | 'arguments' | 'native'>,
  frame: ResponseFrame,
): JsonObject {
  const isCustom = part.kind === 'custom'
  const inner = namespaceOf(frame.crossing.request.tools, part.name)
  const text = part.arguments === '' && !isCustom ? '{}' : part.arguments
  return json({
    id: frame.itemId(isCustom ? 'ctc' : 'fc'),
    type: isCustom ? 'custom_tool_call' : 'function_call',
    status: 'completed',
    [isCustom ? 'input' : 'arguments']: text,
    call_id: part.id,
    name: inner?.name ?? part.name,
    namespace: inner?.namespace,
    ...nativeFields(part.native, DIALECT),
  })
}

/** The fields of a response that say how far it is. */
export interface Status {
  readonly status: 'in_progress' | 'completed' | 'incomplete' | 'failed'
  readonly incomplete_details: JsonObject | null
  readonly error: JsonObject | null
}

/** Of a response that has begun. */
export const IN_PROGRESS: Status = {
  status: 'in_progress',
  incomplete_details: null,
  error: null,
}

/** How an answer's end is told. A refusal in words is a complete answer. */
export function statusOf(finish: Finish, hasRefusal: boolean): Status {
  const error = null
  switch (finish.reason) {
    case 'length':
    case 'context':
      return { status: 'incomplete', incomplete_details: { reason: 'max_output_tokens' }, error }
    case 'contentFilter':
      if (hasRefusal) break
      return { status: 'incomplete', incomplete_details: { reason: 'content_filter' }, error }
    case 'pause':
      return { status: 'incomplete', incomplete_details: { reason: 'max_messages' }, error }
    case 'malformed':
      return {
        status: 'failed',
        incomplete_details: null,
        error: { code: 'server_error', message: `the model broke off: ${finish.raw}` },
      }
    default:
  }
  return { status: 'completed', incomplete_details: null, error }
}

/** What all response objects of one answer share: ids, times, and the request's fields. */
export class ResponseFrame {
  readonly crossing: Crossing
  readonly #head: JsonObject
  #items = 0

  constructor(
    { id, model, created }: Pick<HubAnswer, 'id' | 'model' | 'created'>,
    crossing: Crossing,
  ) {
    this.crossing = crossing
    const { requestId, modelName } = crossing
    this.#head = {
      id: id.startsWith('resp_') ? id : `resp_${requestId}`,
      object: 'response',
      created_at: created ?? crossing.created,
      ...echo(crossing),
      model: modelName ?? model,
    }
  }

  /** A new item's id. */
  itemId(prefix: 'msg' | 'rs' | 'fc' | 'ctc'): string {
    return `${prefix}_${this.crossing.requestId}_${this.#items++}`
  }

  /** The response object as of now. */
  response(
    output: readonly JsonObject[],
    status: Status,
    usage: JsonObject | undefined,
  ): JsonObject {
    return {
      ...this.#head,
      status: status.status,
      error: status.error,
      incomplete_details: status.incomplete_details,
      output: [...output],
      usage: usage ?? null,
    }
  }
}

/** The fields that every response has, as they are where the request does not say otherwise. */
const UNSAID: JsonObject = {
  background: false,
  instructions: null,
  max_output_tokens: null,
  max_tool_calls: null,
  metadata: {},
  parallel_tool_calls: true,
  previous_response_id: null,
  prompt_cache_key: null,
  reasoning: { effort: null, summary: null },
  safety_identifier: null,
  service_tier: 'default',
  store: false,
  temperature: null,
  text: { format: { type: 'text' } },
  tool_choice: 'auto',
  tools: [],
  top_logprobs: 0,
  top_p: null,
  truncation: 'disabled',
  user: null,
}

/** Fields of requests that responses do not repeat. */
const NOT_REPEATED = ['stream', 'stream_options', 'include', 'client_metadata'] as const

/** The request's fields, in this dialect whatever it was written in. */
function echo({ request, requestId, created }: Crossing): JsonObject {
  const crossing = newCrossing(request, DIALECT, {
    requestId,
    created,
    capabilities: capabilitiesOf(request.model),
  })
  const said = encodeTop(request, crossing)
  for (const field of NOT_REPEATED) delete said[field]
  const [first] = request.system
  const [part] = first?.parts ?? []
  const isField = first !== undefined && nativeForm(first.native, DIALECT) === 'instructions'
  const text = { ...objectOf(UNSAID['text']), ...objectOf(said['text']) } as JsonObject
  return {
    ...UNSAID,
    ...said,
    instructions: isField && part?.type === 'text' ? part.text : null,
    text,
    store: false,
  }
}

/** Writes usage, whose counts are inclusive here too. */
export function encodeUsage(usage: Usage | undefined): JsonObject | undefined {
  if (usage === undefined) return undefined
  const { cacheReadTokens, cacheWriteTokens } = usage
  return {
    input_tokens: usage.inputTokens,
    input_tokens_details: json({
      cached_tokens: cacheReadTokens ?? 0,
      cache_write_tokens: cacheWriteTokens,
    }),
    output_tokens: usage.outputTokens,
    output_tokens_details: { reasoning_tokens: usage.reasoningTokens ?? 0 },
    total_tokens: usage.totalTokens,
  }
}
