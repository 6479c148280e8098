import type { CodecName, TargetName } from './conversation.ts'

/**
 * What happens to a field on the way to another dialect. `mapped`: faithful, or by a documented transform.
 * `emulated`: the gateway imitates what the target lacks. `dropped`: left out, because it only tunes. `refused`: a
 * 400, because the client would see another result without it.
 */
export type Verdict = 'mapped' | 'emulated' | 'dropped' | 'refused'

/** The columns of the table. */
const COLUMNS: Readonly<Record<TargetName, number>> = {
  'openai-chat': 0,
  'openai-responses': 1,
  anthropic: 2,
  gemini: 3,
  mistral: 4,
  cohere: 5,
  ollama: 6,
  bedrock: 7,
}

const LETTERS = { m: 'mapped', e: 'emulated', d: 'dropped', r: 'refused' } as const

/**
 * One row per concept: a letter for each of COLUMNS (chat, responses, anthropic, gemini, mistral, cohere, ollama,
 * bedrock), then why it isn't mapped where it isn't. Encoders may fall below a verdict for the sake of a model or a value, and report it; never above.
 */
const TABLE = {
  // Fields of a request.
  model: ['m m m m m m m m'],
  version: ['m m m m m m m m'],
  messages: ['m m m m m m m m'],
  system: ['m m m m m m m m'],
  stream: ['m m m m m m m m'],
  streamUsage: ['m m m m m m m m'],
  tools: ['m m m m m m m m'],
  toolChoice: ['m m m m m m d m', 'the target cannot be told which tools to call'],
  toolSubset: ['m m e m e e e e', 'only the allowed tools are sent'],
  parallelTools: ['m m m d m d d d', 'the target cannot be told how many tools to call at once'],
  output: ['m m m m m m m m'],
  jsonObject: ['m m e m m m m e', 'the model is asked for JSON in words'],
  maxOutputTokens: ['m m m m m m m m'],
  stop: ['m r m m m m m m', 'the target has no stop sequences'],
  temperature: ['m m m m m m m m'],
  topP: ['m m m m m m m m'],
  topK: ['d d m m d m m m', 'the target has no such parameter'],
  seed: ['m d d m m m m d', 'the target has no such parameter'],
  presencePenalty: ['m d d m m m m d', 'the target has no such parameter'],
  frequencyPenalty: ['m d d m m m m d', 'the target has no such parameter'],
  logitBias: ['m d d d d d d d', 'the target has no such parameter'],
  choices: ['m r r m m r r r', 'the target gives one answer only'],
  logprobs: ['r r r r r r r r', 'the target does not tell probabilities in this form'],
  verbosity: ['m m d d d d d d', 'the target has no such parameter'],
  reasoning: ['m m m m m m m m'],
  reasoningSummary: ['d m d d d d d d', 'the target has no such choice'],
  cacheKey: ['m m d d d d d d', 'the target places requests on caches by itself'],
  cacheOptions: ['m m d d d d d d', 'the target has no such parameter'],
  cacheMarker: ['m m m d d d d m', 'the target has no cache markers'],
  metadata: ['m m d d m d d m', 'the target takes no metadata'],
  user: ['m m m d d d d d', 'the target takes no user'],
  serviceTier: ['m m d d d d d d', 'the tiers of the target are others'],
  store: ['m m d d d d d d', 'the target stores nothing'],
  audioOutput: ['r r r r r r r r', 'the target cannot answer in sound in this form'],
  imageOutput: ['r r r r r r r r', 'the target cannot answer in images in this form'],
  prediction: ['m d d d m d d d', 'the target has no such parameter'],
  moderation: ['m m d d d d d d', 'the target has no such parameter'],
  tuning: ['d d d d d d d d', 'the target has no such parameter'],
  /** State that only the provider has. */
  serverState: ['r r r r r r r r', 'only the provider that made it knows it'],
  region: ['r r r r r r r r', 'the target cannot be told where to compute'],
  builtinTool: ['r r r r r r r r', 'the target has no such built-in tool'],
  context: ['d d d d d d d d', 'the target manages its context by other means'],
  unknown: ['d d d d d d d d', 'the gateway does not know the field'],
  // Pieces of a conversation.
  customTool: ['m m e e e e e e', 'the tool is sent as a function with one string'],
  lateSystem: ['m m m e e m m e', 'the prompt is told as part of the next user turn'],
  prefill: ['d d m d m d m m', 'the target does not continue a begun answer'],
  leadingAssistant: ['m m e e m m m e', 'an empty user turn is put before it'],
  orphanCall: ['m m e e m m m e', 'a result that says that there is none is put behind it'],
  orphanResult: ['m m e e m m m e', 'it is told as text'],
  messageName: ['m d d d d d d d', 'the target does not name speakers'],
  image: ['m m m m m m m m'],
  imageDetail: ['m m d d m m d d', 'the target chooses the resolution by itself'],
  imageUrl: ['m m m r m m r r', 'the target does not fetch images'],
  fileId: ['r r r r r r r r', 'only the provider that holds the file knows it'],
  document: ['m m m m m m m m'],
  documentUrl: ['r m m r m r r r', 'the target does not fetch documents'],
  documentNote: ['d d m d d d d m', 'the target takes no title or context of a document'],
  audio: ['m r r m m r r r', 'the target does not take sound'],
  video: ['r r r m r r r m', 'the target does not take video'],
  toolResultMedia: ['e m m m e e e m', 'it is told in a user turn behind the result'],
  toolError: ['d d m m d d d m', 'the target cannot be told that a tool failed'],
  reasoningText: ['m m m m m m m m'],
  reasoningProof: ['m m m m d d d m', 'the target asks for no proof of reasoning'],
  refusal: ['m m e e e e e e', 'it is told as text'],
  citation: ['d d d d d d d d', 'sources of earlier answers have another form there'],
  toolOption: ['d d d d d d d d', 'the target has no such option of a tool'],
  nativePart: ['r r r r r r r r', 'only its own dialect knows it'],
} as const satisfies Readonly<Record<string, readonly [string, string?]>>

/** A meaning that some dialect has a field for. */
export type Concept = keyof typeof TABLE

/** All meanings, in the table's order. */
export const CONCEPTS = Object.keys(TABLE) as readonly Concept[]

/**
 * The top-level request fields of each dialect by meaning, after their providers' SDKs; Gemini's are spread over
 * `generationConfig` too.
 */
const FIELDS: Readonly<Record<CodecName, Readonly<Record<string, Concept>>>> = {
  'openai-chat': {
    messages: 'messages',
    model: 'model',
    audio: 'audioOutput',
    frequency_penalty: 'frequencyPenalty',
    function_call: 'toolChoice',
    functions: 'tools',
    logit_bias: 'logitBias',
    logprobs: 'logprobs',
    max_completion_tokens: 'maxOutputTokens',
    max_tokens: 'maxOutputTokens',
    metadata: 'metadata',
    modalities: 'audioOutput',
    moderation: 'moderation',
    n: 'choices',
    parallel_tool_calls: 'parallelTools',
    prediction: 'prediction',
    presence_penalty: 'presencePenalty',
    prompt_cache_key: 'cacheKey',
    prompt_cache_options: 'cacheOptions',
    prompt_cache_retention: 'cacheOptions',
    reasoning_effort: 'reasoning',
    response_format: 'output',
    safety_identifier: 'user',
    seed: 'seed',
    service_tier: 'serviceTier',
    stop: 'stop',
    store: 'store',
    stream: 'stream',
    stream_options: 'streamUsage',
    temperature: 'temperature',
    tool_choice: 'toolChoice',
    tools: 'tools',
    top_k: 'topK',
    top_logprobs: 'logprobs',
    top_p: 'topP',
    user: 'user',
    verbosity: 'verbosity',
    web_search_options: 'builtinTool',
  },
  'openai-responses': {
    access_programs: 'tuning',
    background: 'serverState',
    client_metadata: 'tuning',
    context_management: 'context',
    conversation: 'serverState',
    image: 'tuning',
    include: 'reasoningSummary',
    input: 'messages',
    instructions: 'system',
    max_output_tokens: 'maxOutputTokens',
    max_tool_calls: 'tuning',
    metadata: 'metadata',
    model: 'model',
    moderation: 'moderation',
    parallel_tool_calls: 'parallelTools',
    previous_response_id: 'serverState',
    prompt: 'serverState',
    prompt_cache_key: 'cacheKey',
    prompt_cache_options: 'cacheOptions',
    prompt_cache_retention: 'cacheOptions',
    reasoning: 'reasoning',
    safety_identifier: 'user',
    service_tier: 'serviceTier',
    store: 'store',
    stream: 'stream',
    stream_options: 'tuning',
    temperature: 'temperature',
    text: 'output',
    tool_choice: 'toolChoice',
    tools: 'tools',
    top_logprobs: 'logprobs',
    top_p: 'topP',
    truncation: 'context',
    user: 'user',
  },
  anthropic: {
    anthropic_beta: 'version',
    anthropic_version: 'version',
    betas: 'version',
    billing_policy: 'tuning',
    cache_control: 'cacheMarker',
    compaction: 'context',
    container: 'serverState',
    context_management: 'context',
    diagnostics: 'tuning',
    fallback_credit_token: 'serverState',
    fallbacks: 'tuning',
    inference_geo: 'region',
    max_tokens: 'maxOutputTokens',
    mcp_servers: 'builtinTool',
    messages: 'messages',
    metadata: 'user',
    model: 'model',
    output_config: 'output',
    output_format: 'output',
    service_tier: 'serviceTier',
    speed: 'serviceTier',
    stop_sequences: 'stop',
    stream: 'stream',
    system: 'system',
    temperature: 'temperature',
    thinking: 'reasoning',
    thread: 'serverState',
    tool_choice: 'toolChoice',
    tools: 'tools',
    top_k: 'topK',
    top_p: 'topP',
    user_profile_id: 'tuning',
    workspace_id: 'tuning',
  },
  gemini: {
    contents: 'messages',
    systemInstruction: 'system',
    tools: 'tools',
    toolConfig: 'toolChoice',
    safetySettings: 'tuning',
    cachedContent: 'serverState',
    labels: 'metadata',
    store: 'store',
    serviceTier: 'serviceTier',
    model: 'model',
    modelArmorConfig: 'moderation',
    continuationToken: 'serverState',
    'generationConfig.audioTimestamp': 'tuning',
    'generationConfig.audioTranscriptionConfig': 'audioOutput',
    'generationConfig.candidateCount': 'choices',
    'generationConfig.enableEnhancedCivicAnswers': 'tuning',
    'generationConfig.frequencyPenalty': 'frequencyPenalty',
    'generationConfig.generationOutputConfig': 'serverState',
    'generationConfig.imageConfig': 'imageOutput',
    'generationConfig.logprobs': 'logprobs',
    'generationConfig.maxOutputTokens': 'maxOutputTokens',
    'generationConfig.mediaResolution': 'imageDetail',
    'generationConfig.modelSelectionConfig': 'tuning',
    'generationConfig.presencePenalty': 'presencePenalty',
    'generationConfig.responseJsonSchema': 'output',
    'generationConfig.responseLogprobs': 'logprobs',
    'generationConfig.responseMimeType': 'output',
    'generationConfig.responseModalities': 'imageOutput',
    'generationConfig.responseSchema': 'output',
    'generationConfig.routingConfig': 'tuning',
    'generationConfig.seed': 'seed',
    'generationConfig.speechConfig': 'audioOutput',
    'generationConfig.stopSequences': 'stop',
    'generationConfig.temperature': 'temperature',
    'generationConfig.thinkingConfig': 'reasoning',
    'generationConfig.topK': 'topK',
    'generationConfig.topP': 'topP',
  },
}

/** The meaning of a top-level field; undefined where the gateway does not know it. */
export function conceptOf(dialect: CodecName, field: string): Concept | undefined {
  const fields = FIELDS[dialect]
  return Object.hasOwn(fields, field) ? fields[field] : undefined
}

/** True where a client's field can be carried on to the target as it stands: it has the same name and meaning there. */
export function hasField(target: TargetName, field: string, concept: Concept): boolean {
  if (target === 'mistral') return field === 'prediction'
  return isCodec(target) && conceptOf(target, field) === concept
}

function isCodec(target: TargetName): target is CodecName {
  return Object.hasOwn(FIELDS, target)
}

/** What the table says of a concept for a target, and why. */
export function verdictOf(
  concept: Concept,
  target: TargetName,
): { readonly verdict: Verdict; readonly reason: string } {
  const [letters, reason = ''] = TABLE[concept] as readonly [string, string?]
  const letter = letters[COLUMNS[target] * 2] as keyof typeof LETTERS
  return { verdict: LETTERS[letter], reason }
}
