import { afterAll, describe, expect, it } from 'vitest'
import type { LlmDialect } from '#core/dialects/dialect.ts'
import { DIALECTS } from '#core/dialects/index.ts'
import type { ByteSource } from '#core/kit/byte-source.ts'
import type { Json, JsonObject } from '#core/kit/json.ts'
import { SseParser } from '#core/kit/sse.ts'
import type { UpstreamRequest } from '#core/upstream/upstream.ts'
import { hasRecordings, recordings } from '../../dialects/recordings.ts'
import { openDemo, requestOf } from './serve.ts'

const upstream = openDemo()

afterAll(() => upstream.close())

const PATHS: Readonly<Record<LlmDialect, [plain: string, stream: string]>> = {
  'openai-chat': ['/v1/chat/completions', '/v1/chat/completions'],
  'openai-responses': ['/v1/responses', '/v1/responses'],
  anthropic: ['/v1/messages', '/v1/messages'],
  gemini: ['/v1beta/models/m:generateContent', '/v1beta/models/m:streamGenerateContent'],
}

function asking(dialect: LlmDialect, request: JsonObject, isStream: boolean): UpstreamRequest {
  const body: JsonObject = { ...request, stream: isStream, stream_options: { include_usage: true } }
  return requestOf({
    dialect,
    path: PATHS[dialect][isStream ? 1 : 0],
    query: isStream && dialect === 'gemini' ? 'alt=sse' : '',
    body: Buffer.from(JSON.stringify(body)),
  })
}

describe.skipIf(!hasRecordings)('recorded requests (skipped without recordings)', () => {
  it.each(recordings())(
    'answers $name, with one usage for the plain answer and the stream',
    async ({ dialect, request }) => {
      const plain = await upstream.send(asking(dialect, request, false)).answer
      expect(plain.status).toBe(200)
      const usage = DIALECTS[dialect].usageOf(JSON.parse((plain.body as Buffer).toString()) as Json)
      expect(usage!.inputTokens).toBeGreaterThan(0)
      const reader = DIALECTS[dialect].usageReader()
      const parser = new SseParser((frame) => reader.readFrame(frame))
      const { body } = await upstream.send(asking(dialect, request, true)).answer
      await new Promise<void>((resolve, reject) => {
        ;(body as ByteSource).pipe({
          data(chunk) {
            parser.push(chunk)
            return true
          },
          end: resolve,
          error: reject,
        })
      })
      expect(parser.end()).toHaveLength(0)
      expect(reader.isComplete()).toBe(true)
      expect(reader.usage()).toEqual(usage)
    },
  )
})
