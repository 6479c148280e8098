import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, onTestFinished, test } from 'vitest'
import { CODECS } from '#core/dialects/codecs/index.ts'
import type { LlmDialect } from '#core/dialects/dialect.ts'
import { newCrossing } from '#core/dialects/hub/crossing.ts'
import type { JsonObject } from '#core/kit/json.ts'
import { hasRecordings, recordings, type Recording } from '../recordings.ts'

const MODULES = new URL('../../../../node_modules/', import.meta.url).pathname

/** The type of a request in each provider's own SDK, and a model that takes all there is. */
const TYPES: Readonly<Record<LlmDialect, { model: string; type: string }>> = {
  'openai-chat': { model: 'gpt-4.1', type: 'OpenAI.Chat.ChatCompletionCreateParams' },
  'openai-responses': { model: 'gpt-5-mini', type: 'OpenAI.Responses.ResponseCreateParams' },
  anthropic: {
    model: 'claude-sonnet-4-6',
    type: 'Anthropic.MessageCreateParams | Older.MessageCreateParams',
  },
  // The SDK takes the parts of the body under other names, and words as enums.
  gemini: { model: 'gemini-3-pro', type: 'Loose<GenerateContentParameters>' },
}

const HEAD = `
import type Anthropic from '@anthropic-ai/sdk'
import type { GenerateContentParameters } from '@google/genai'
import type Older from 'anthropic-sdk-0'
import type OpenAI from 'openai'
type Loose<T> = T extends string ? \`\${T}\` : T extends object ? { [K in keyof T]: Loose<T[K]> } : T
`

/** A recorded request as an upstream of another dialect gets it; undefined where it is refused. */
function converted({ dialect, request }: Recording, target: LlmDialect): JsonObject | undefined {
  const { model } = TYPES[target]
  const decoded = { ...CODECS[dialect].decodeRequest(request, { model })!, model }
  const crossing = newCrossing(decoded, target, { requestId: 'r1', created: 1 })
  const body = CODECS[target].encodeRequest(decoded, crossing)
  if (crossing.report.refusals().length > 0) return undefined
  if (target === 'openai-responses') return withIds(body)
  if (target !== 'gemini') return body
  const { contents, generationConfig = {}, ...rest } = body as Record<string, JsonObject>
  return { model, contents: contents!, config: { ...generationConfig, ...rest } }
}

/** The API takes what an assistant has said without the id and the status that the type asks for. */
function withIds({ input, ...body }: JsonObject): JsonObject {
  const items = (input as JsonObject[]).map((item) =>
    item['type'] === 'message' && item['role'] === 'assistant'
      ? { id: 'msg_1', status: 'completed', ...item }
      : item,
  )
  return { ...body, input: items }
}

/** What the SDKs' own types say of bodies, by the compiler. */
async function faultsOf(bodies: readonly (readonly [LlmDialect, JsonObject])[]): Promise<string[]> {
  const folder = await mkdtemp(join(MODULES, '.sdk-types-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  const lines = bodies.map(
    ([target, body], index) =>
      `export const b${index}: ${TYPES[target].type} = ${JSON.stringify(body)}`,
  )
  const options = { strict: true, noEmit: true, skipLibCheck: true, module: 'nodenext', types: [] }
  const config = { compilerOptions: options, files: ['bodies.mts'] }
  await writeFile(join(folder, 'tsconfig.json'), JSON.stringify(config))
  await writeFile(join(folder, 'bodies.mts'), HEAD + lines.join('\n'))
  const tsc = join(MODULES, '.bin/tsc')
  const { stdout } = await promisify(execFile)(tsc, ['-p', folder, '--pretty', 'false'], {
    maxBuffer: 64 * 1024 * 1024,
  }).catch((failure: unknown) => failure as { stdout: string })
  return stdout.split('\n').filter((line) => line.includes('error TS'))
}

const TARGETS = Object.keys(TYPES) as LlmDialect[]

test.skipIf(!hasRecordings)(
  'recorded requests that were converted fit the types of the SDKs they are for',
  { timeout: 120_000 },
  async () => {
    const bodies = recordings().flatMap((recording) =>
      TARGETS.filter((target) => target !== recording.dialect).flatMap((target) => {
        const body = converted(recording, target)
        return body === undefined ? [] : [[target, body] as const]
      }),
    )
    expect(bodies.length).toBeGreaterThan(500)
    expect(await faultsOf(bodies)).toEqual([])
  },
)

test('a body that does not fit is found out', { timeout: 120_000 }, async () => {
  const chat = { model: 'm', messages: [{ role: 'user', content: 7 }] }
  const gemini = { model: 'm', contents: [], config: { thinkingConfig: { thinkingLevel: 'DEEP' } } }
  const faults = await faultsOf([
    ['openai-chat', chat],
    ['anthropic', { model: 'm', max_tokens: 9, messages: [], seed: 1 }],
    ['gemini', gemini],
  ])
  expect(faults).toHaveLength(3)
})
