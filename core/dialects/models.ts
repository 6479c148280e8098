import { isObject, type Json } from '../kit/json.ts'
import type { LlmDialect } from './dialect.ts'

/** One model, or the list of all, as each API describes them. */
export function describeModels(
  dialect: LlmDialect,
  names: readonly string[],
  wanted: string | undefined,
  created: number,
): Json {
  const describe = (name: string) => DESCRIPTIONS[dialect](name, created)
  if (wanted !== undefined) return describe(wanted)
  const data = names.map(describe)
  if (dialect === 'gemini') return { models: data }
  if (dialect !== 'anthropic') return { object: 'list', data }
  return { data, has_more: false, first_id: names[0] ?? null, last_id: names.at(-1) ?? null }
}

const DESCRIPTIONS: Readonly<Record<LlmDialect, (name: string, created: number) => Json>> = {
  'openai-chat': openaiModel,
  'openai-responses': openaiModel,
  anthropic: (name, created) => ({
    type: 'model',
    id: name,
    display_name: name,
    created_at: new Date(created * 1000).toISOString(),
  }),
  gemini: (name) => ({
    name: `models/${name}`,
    displayName: name,
    version: '1',
    inputTokenLimit: 1_000_000,
    outputTokenLimit: 1_000_000,
    supportedGenerationMethods: ['generateContent', 'countTokens', 'embedContent'],
  }),
}

function openaiModel(id: string, created: number): Json {
  return { id, object: 'model', created, owned_by: 'sluice' }
}

/** The names in a list of models, as any of the APIs sends it. */
export function modelNames(list: Json | undefined): string[] {
  if (!isObject(list)) return []
  const models = Array.isArray(list['data']) ? list['data'] : list['models']
  if (!Array.isArray(models)) return []
  return models.flatMap((model) => {
    if (!isObject(model)) return []
    const name = model['id'] ?? model['name']
    return typeof name === 'string' ? [name.replace(/^models\//, '')] : []
  })
}
