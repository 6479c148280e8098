import type { LlmDialect } from '#core/dialects/dialect.ts'
import type { JsonObject } from '#core/kit/json.ts'
import { anthropicAnswers } from './anthropic-answers.ts'
import { anthropicAsked } from './anthropic-asked.ts'
import { anthropicRules } from './anthropic-rules.ts'
import type { AnswerForm } from './answer-form.ts'
import type { Ask } from './conversation.ts'
import { geminiAnswers } from './gemini-answers.ts'
import { geminiAsked } from './gemini-asked.ts'
import { geminiRules } from './gemini-rules.ts'
import { openaiChatAnswers } from './openai-chat-answers.ts'
import { openaiChatAsked } from './openai-chat-asked.ts'
import { openaiChatRules } from './openai-chat-rules.ts'
import { openaiResponsesAnswers } from './openai-responses-answers.ts'
import { openaiResponsesAsked } from './openai-responses-asked.ts'
import { openaiResponsesRules } from './openai-responses-rules.ts'
import type { Rules } from './rule.ts'

/** One provider: what it refuses, how it reads and how it answers. Knows nothing of our codecs. */
export interface Provider {
  /** Where its API is, and the API's streams. */
  readonly path: RegExp
  readonly rules: Rules
  readonly asked: (body: JsonObject) => Ask
  readonly answers: AnswerForm
}

/** The provider behind each dialect. */
export const PROVIDERS: Readonly<Record<LlmDialect, Provider>> = {
  'openai-chat': {
    path: /^\/v1\/chat\/completions$/,
    rules: openaiChatRules,
    asked: openaiChatAsked,
    answers: openaiChatAnswers,
  },
  'openai-responses': {
    path: /^\/v1\/responses$/,
    rules: openaiResponsesRules,
    asked: openaiResponsesAsked,
    answers: openaiResponsesAnswers,
  },
  anthropic: {
    path: /^\/v1\/messages$/,
    rules: anthropicRules,
    asked: anthropicAsked,
    answers: anthropicAnswers,
  },
  gemini: {
    path: /^\/v1(?:beta)?\/models\/[^/]+:(?:stream)?[gG]enerateContent$/,
    rules: geminiRules,
    asked: geminiAsked,
    answers: geminiAnswers,
  },
}
