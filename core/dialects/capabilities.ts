import type { Effort } from './hub/request.ts'

/** What a model takes. Encoders ask it; nothing else decides by a model's name. */
export interface Capabilities {
  /** Whose model it is, and of which line: what a proof of reasoning must match. */
  readonly provider: 'anthropic' | 'openai' | 'google' | 'other'
  readonly family: string
  readonly temperature: boolean
  readonly topP: boolean
  readonly topK: boolean
  /** False where temperature and top_p must not be sent together. */
  readonly bothTemperatureAndTopP: boolean
  /** False where penalties, seed, logit_bias and stop are refused. */
  readonly classicTuning: boolean
  /** Largest answer in tokens, for dialects that must be told one. */
  readonly maxOutputTokens: number
  /** OpenAI's name of that limit. */
  readonly maxTokensField: 'max_tokens' | 'max_completion_tokens'
  /** False where a stream of Chat Completions cannot be asked for its tokens. */
  readonly streamUsage: boolean
  /**
   * How thinking is asked for: Anthropic's `budget` or `adaptive` (`both`: either), Gemini's `budget` or `level`,
   * OpenAI's `effort`.
   */
  readonly thinking: 'none' | 'budget' | 'adaptive' | 'both' | 'effort' | 'level'
  /** False where thinking cannot be turned off. */
  readonly canStopThinking: boolean
  /** The efforts it knows; others are clamped to the nearest. */
  readonly efforts: readonly Effort[]
  /**
   * What an assistant message of Chat Completions may carry of earlier thoughts: nothing, `reasoning_content`, or
   * `reasoning_details` as well.
   */
  readonly reasoningReplay: 'none' | 'text' | 'details'
  /** False where Chat Completions refuses an effort beside tools, which Responses takes. */
  readonly chatToolsWithEffort: boolean
  readonly prefill: boolean
  /** True where system prompts may stand within the conversation. */
  readonly midSystem: boolean
  readonly jsonSchema: boolean
  readonly images: boolean
  readonly documents: boolean
  readonly audio: boolean
  /** True where media may stand in a tool's result. */
  readonly toolResultMedia: boolean
}

/** A row of the table: the first pattern that matches the model's name, and what differs from the defaults. */
export interface CapabilityRow {
  /** A regular expression over the lower-case name, without a path before it. */
  readonly pattern: string
  readonly capabilities: Partial<Capabilities>
}

const DEFAULTS: Capabilities = {
  provider: 'other',
  family: '',
  temperature: true,
  topP: true,
  topK: false,
  bothTemperatureAndTopP: true,
  classicTuning: true,
  maxOutputTokens: 8192,
  maxTokensField: 'max_tokens',
  streamUsage: true,
  thinking: 'none',
  canStopThinking: true,
  efforts: ['low', 'medium', 'high'],
  reasoningReplay: 'none',
  chatToolsWithEffort: true,
  prefill: false,
  midSystem: true,
  jsonSchema: true,
  images: true,
  documents: true,
  audio: true,
  toolResultMedia: true,
}

const CLAUDE: Partial<Capabilities> = {
  provider: 'anthropic',
  family: 'claude',
  topK: true,
  audio: false,
  midSystem: false,
  maxOutputTokens: 128_000,
  efforts: ['low', 'medium', 'high', 'xhigh', 'max'],
}

/** Since 4.7: no sampling, adaptive thinking only. */
const CLAUDE_ADAPTIVE: Partial<Capabilities> = {
  ...CLAUDE,
  temperature: false,
  topP: false,
  topK: false,
  thinking: 'adaptive',
}

const GPT_REASONING: Partial<Capabilities> = {
  provider: 'openai',
  family: 'gpt',
  temperature: false,
  topP: false,
  topK: false,
  classicTuning: false,
  maxOutputTokens: 128_000,
  maxTokensField: 'max_completion_tokens',
  thinking: 'effort',
  canStopThinking: false,
  efforts: ['minimal', 'low', 'medium', 'high'],
}

const GEMINI: Partial<Capabilities> = {
  provider: 'google',
  family: 'gemini',
  topK: true,
  maxOutputTokens: 65_536,
  midSystem: false,
}

/** Its API refuses a system prompt behind a tool's result. */
const MISTRAL: Partial<Capabilities> = { family: 'mistral', prefill: true, midSystem: false }

/** First match wins. */
const ROWS: readonly CapabilityRow[] = [
  row('claude-(?:fable|mythos)-5', { ...CLAUDE_ADAPTIVE, canStopThinking: false, midSystem: true }),
  row('claude-[a-z]+-(?:[5-9]|4-(?:[89]|[1-9]\\d))(?!\\d{5})', {
    ...CLAUDE_ADAPTIVE,
    midSystem: true,
  }),
  row('claude-[a-z]+-4-7', CLAUDE_ADAPTIVE),
  row('claude-[a-z]+-4-6', {
    ...CLAUDE,
    thinking: 'both',
    bothTemperatureAndTopP: false,
    efforts: ['low', 'medium', 'high', 'max'],
  }),
  row('claude-[a-z]+-4-5', {
    ...CLAUDE,
    thinking: 'budget',
    prefill: true,
    bothTemperatureAndTopP: false,
    maxOutputTokens: 64_000,
  }),
  row('claude-opus-4', {
    ...CLAUDE,
    thinking: 'budget',
    prefill: true,
    bothTemperatureAndTopP: false,
    jsonSchema: false,
    maxOutputTokens: 32_000,
  }),
  row('claude-sonnet-4|claude-3-7', {
    ...CLAUDE,
    thinking: 'budget',
    prefill: true,
    jsonSchema: false,
    maxOutputTokens: 64_000,
  }),
  row('claude-3-5', { ...CLAUDE, prefill: true, jsonSchema: false, maxOutputTokens: 8192 }),
  row('claude-3|claude-2|claude-instant', {
    ...CLAUDE,
    prefill: true,
    jsonSchema: false,
    maxOutputTokens: 4096,
  }),
  row('claude', { ...CLAUDE_ADAPTIVE, midSystem: true }),
  row('gpt-5(?:-\\d{4}|-(?:mini|nano|pro|codex)|$)', GPT_REASONING),
  row('gpt-5-chat|gpt-5\\.\\d-chat', {
    provider: 'openai',
    family: 'gpt',
    topK: false,
    maxTokensField: 'max_completion_tokens',
    maxOutputTokens: 16_384,
  }),
  row('gpt-5\\.[1-3]', {
    ...GPT_REASONING,
    canStopThinking: true,
    efforts: ['low', 'medium', 'high', 'xhigh', 'max'],
  }),
  row('gpt-(?:[5-9]|[1-9]\\d)', {
    ...GPT_REASONING,
    chatToolsWithEffort: false,
    canStopThinking: true,
    efforts: ['low', 'medium', 'high', 'xhigh', 'max'],
  }),
  row('o[1-9](?:-|$)', {
    ...GPT_REASONING,
    efforts: ['low', 'medium', 'high'],
    maxOutputTokens: 100_000,
  }),
  row('gpt-oss', { family: 'gpt-oss', thinking: 'effort', canStopThinking: false }),
  row('(?:chat)?gpt', { provider: 'openai', family: 'gpt', topK: false, maxOutputTokens: 16_384 }),
  row('magistral', { ...MISTRAL, thinking: 'adaptive' }),
  row('mistral-(?:small|medium)-(?:latest|2[6-9]\\d\\d)', {
    ...MISTRAL,
    thinking: 'effort',
    efforts: ['high'],
  }),
  row('(?:open-)?mi[sx]tral|ministral|codestral|devstral|pixtral|voxtral', MISTRAL),
  row('command-a-reasoning', { family: 'command', thinking: 'budget', images: false }),
  row('command-a-vision', { family: 'command' }),
  row('command', { family: 'command', images: false }),
  row('qwen-?3|qwq|deepseek-r1', { thinking: 'effort', reasoningReplay: 'text' }),
  row('deepseek', {
    family: 'deepseek',
    reasoningReplay: 'text',
    jsonSchema: false,
    images: false,
  }),
  row('gemini-2\\.5-pro', { ...GEMINI, thinking: 'budget', canStopThinking: false }),
  row('gemini-2\\.5', { ...GEMINI, thinking: 'budget' }),
  row('gemini-[12]\\.', { ...GEMINI, maxOutputTokens: 8192, toolResultMedia: false }),
  row('gemini', {
    ...GEMINI,
    thinking: 'level',
    canStopThinking: false,
    efforts: ['minimal', 'low', 'medium', 'high'],
  }),
]

const compiled = new WeakMap<CapabilityRow, RegExp>()

/** What a model can do: the first of `overrides` that matches goes over the first of the table. */
export function capabilitiesOf(
  model: string,
  overrides: readonly CapabilityRow[] = NONE,
): Capabilities {
  let known = remembered.get(overrides)
  if (known === undefined) remembered.set(overrides, (known = new Map()))
  let capabilities = known.get(model)
  if (capabilities === undefined) {
    const name = model
      .slice(-MAX_NAME)
      .toLowerCase()
      .replace(/^.*\//, '')
      .replace(/^(?:[a-z-]+\.)*(?=claude|gpt)/, '')
    capabilities = { ...DEFAULTS, ...find(ROWS, name), ...find(overrides, name) }
    if (known.size >= MAX_REMEMBERED) known.clear()
    known.set(model, capabilities)
  }
  return capabilities
}

const NONE: readonly CapabilityRow[] = []

/** Patterns are matched against no more of what a client calls a model. */
const MAX_NAME = 256

/** Clients may name any model, but mostly they name the same few. */
const MAX_REMEMBERED = 500
const remembered = new WeakMap<readonly CapabilityRow[], Map<string, Capabilities>>()

function find(rows: readonly CapabilityRow[], name: string): Partial<Capabilities> | undefined {
  return rows.find((candidate) => expressionOf(candidate).test(name))?.capabilities
}

function expressionOf(candidate: CapabilityRow): RegExp {
  let expression = compiled.get(candidate)
  if (expression === undefined) {
    expression = new RegExp(`^(?:${candidate.pattern})`)
    compiled.set(candidate, expression)
  }
  return expression
}

function row(pattern: string, capabilities: Partial<Capabilities>): CapabilityRow {
  return { pattern, capabilities }
}
