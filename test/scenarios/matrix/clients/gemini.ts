import {
  ApiError,
  type Content,
  type GenerateContentConfig,
  type GenerateContentResponse,
  GoogleGenAI,
  FunctionCallingConfigMode,
  type Part,
  ThinkingLevel,
} from '@google/genai'
import type { JsonObject } from '#core/kit/json.ts'
import type { Ask, Turn } from '../../../support/replay/conversation.ts'
import { type Client, type Fault, finishOf, type Finishes, type Heard } from './client.ts'

const FINISHES: Finishes = { STOP: 'stop', MAX_TOKENS: 'length', SAFETY: 'contentFilter' }

/** generateContent by `@google/genai`, under `/v1`. */
export const gemini: Client = {
  name: '@google/genai',
  dialect: 'gemini',
  async ask(ask, { url, model, stream, history }) {
    const client = new GoogleGenAI({ apiKey: 'k', httpOptions: { baseUrl: url } })
    const contents = [...((history ?? []) as Content[]), ...ask.turns.map(contentOf)]
    const params = { model, contents, config: configOf(ask) }
    const events: GenerateContentResponse[] = []
    if (stream) {
      const told = await client.models.generateContentStream(params)
      for await (const event of told) events.push(event)
    } else events.push(await client.models.generateContent(params))
    const parts = events.flatMap((event) => event.candidates?.[0]?.content?.parts ?? [])
    return { heard: heardOf(events, parts), history: [...contents, { role: 'model', parts }] }
  },
  faultOf(error): Fault {
    if (!(error instanceof ApiError)) return isCut(error) ? 'stream' : { unexpected: error }
    if (error.message.startsWith('got status: ')) return 'stream'
    if (error.status === 400) return 'badRequest'
    if (error.status === 429) return 'rateLimit'
    return error.status >= 500 ? 'server' : { unexpected: error }
  },
}

function isCut(error: unknown): boolean {
  return error instanceof Error && /Incomplete JSON segment|terminated/.test(error.message)
}

function contentOf(turn: Turn): Content {
  if (turn.role === 'assistant') return { role: 'model', parts: [{ text: turn.text ?? '' }] }
  if (turn.role === 'tool') {
    return {
      role: 'user',
      parts: turn.results.map(({ id, name, output }) => ({
        functionResponse: { id, name, response: { output } },
      })),
    }
  }
  const { text, image } = turn
  const picture = image && { inlineData: { mimeType: image.type, data: image.data } }
  return { role: 'user', parts: [{ text }, ...(picture === undefined ? [] : [picture])] }
}

function configOf(ask: Ask): GenerateContentConfig {
  return {
    ...(ask.system === undefined ? {} : { systemInstruction: ask.system }),
    ...(ask.tools === undefined
      ? {}
      : {
          tools: [
            {
              functionDeclarations: ask.tools.map(({ name, description, parameters }) => ({
                name,
                description,
                parametersJsonSchema: parameters,
              })),
            },
          ],
        }),
    ...(ask.mustCall === true
      ? { toolConfig: { functionCallingConfig: { mode: FunctionCallingConfigMode.ANY } } }
      : {}),
    ...(ask.schema === undefined
      ? {}
      : { responseMimeType: 'application/json', responseJsonSchema: ask.schema }),
    ...(ask.stop === undefined ? {} : { stopSequences: [...ask.stop] }),
    ...(ask.maxTokens === undefined ? {} : { maxOutputTokens: ask.maxTokens }),
    ...(ask.effort === undefined
      ? {}
      : { thinkingConfig: { thinkingLevel: LEVELS[ask.effort], includeThoughts: true } }),
  }
}

const LEVELS = { low: ThinkingLevel.LOW, medium: ThinkingLevel.MEDIUM, high: ThinkingLevel.HIGH }

function heardOf(events: readonly GenerateContentResponse[], parts: readonly Part[]): Heard {
  const last = events.findLast(({ candidates }) => candidates?.[0]?.finishReason !== undefined)
  const usage = events.at(-1)?.usageMetadata
  const calls = parts.flatMap(({ functionCall }) =>
    functionCall === undefined
      ? []
      : [
          {
            id: functionCall.id ?? '',
            name: functionCall.name ?? '',
            arguments: (functionCall.args ?? {}) as JsonObject,
          },
        ],
  )
  const finish = finishOf(FINISHES, last?.candidates?.[0]?.finishReason)
  const reasoning = usage?.thoughtsTokenCount ?? 0
  return {
    text: parts.map((part) => (part.thought === true ? '' : (part.text ?? ''))).join(''),
    thought: parts.map((part) => (part.thought === true ? (part.text ?? '') : '')).join(''),
    calls,
    finish: finish === 'stop' && calls.length > 0 ? 'tool' : finish,
    usage: {
      input: usage?.promptTokenCount ?? -1,
      output: (usage?.candidatesTokenCount ?? 0) + reasoning,
      cached: usage?.cachedContentTokenCount ?? 0,
      reasoning,
    },
  }
}
