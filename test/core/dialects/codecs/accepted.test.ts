import { describe, expect, it } from 'vitest'
import { CODECS } from '#core/dialects/codecs/index.ts'
import type { LlmDialect } from '#core/dialects/dialect.ts'
import { newCrossing } from '#core/dialects/hub/crossing.ts'
import type { JsonObject } from '#core/kit/json.ts'
import { PROVIDERS } from '../../../support/replay/provider.ts'
import { hasRecordings, recordings, type Recording } from '../recordings.ts'

/** Models of each provider, old and new: what they refuse differs. */
const MODELS: Readonly<Record<LlmDialect, readonly string[]>> = {
  'openai-chat': ['gpt-4.1', 'gpt-5-mini'],
  'openai-responses': ['gpt-4.1', 'gpt-5-mini'],
  anthropic: ['claude-opus-4-1', 'claude-sonnet-4-5', 'claude-sonnet-4-6', 'claude-opus-5'],
  gemini: ['gemini-2.5-flash', 'gemini-3-pro'],
}

/** What the provider would say to a recorded request that was converted for it. */
function faultsOf({ dialect, request }: Recording, target: LlmDialect, model: string): string[] {
  const decoded = { ...CODECS[dialect].decodeRequest(request, { model: 'm' })!, model }
  const crossing = newCrossing(decoded, target, { requestId: 'r1', created: 1 })
  const body = CODECS[target].encodeRequest(decoded, crossing) as JsonObject
  if (crossing.report.refusals().length > 0) return []
  const { path, query, headers } = CODECS[target].destination(decoded, crossing)
  const keys = { authorization: 'Bearer k', 'x-api-key': 'k', 'x-goog-api-key': 'k' }
  const sent = {
    path,
    query,
    headers: { ...keys, ...headers },
    body: JSON.parse(JSON.stringify(body)) as JsonObject,
  }
  return [...PROVIDERS[target].rules(sent)]
}

const targets = (Object.keys(MODELS) as LlmDialect[]).flatMap((target) =>
  MODELS[target].map((model) => ({ target, model })),
)

it.skipIf(hasRecordings)('the recordings are not there, so none is shown to a provider', () => {
  expect(hasRecordings).toBe(false)
})

describe.skipIf(!hasRecordings).each(targets)('$model behind $target', ({ target, model }) => {
  const all = recordings().filter(({ dialect }) => dialect !== target)

  it.each(all)('finds nothing to refuse in $name', (recording) => {
    expect(faultsOf(recording, target, model)).toEqual([])
  })
})
