import { existsSync, readdirSync, readFileSync } from 'node:fs'
import type { LlmDialect } from '#core/dialects/dialect.ts'
import type { Json, JsonObject } from '#core/kit/json.ts'

const FOLDER = new URL('../../../../shared/recordings/conversations/', import.meta.url)

/** Recorded folders by the dialect that they speak. */
const DIALECT_OF: Readonly<Record<string, LlmDialect>> = {
  'chat-completions': 'openai-chat',
  responses: 'openai-responses',
  anthropic: 'anthropic',
  'bedrock-anthropic': 'anthropic',
  'vertex-anthropic': 'anthropic',
  google: 'gemini',
  'vertex-google': 'gemini',
}

/** One recorded turn of a conversation. */
export interface Recording {
  readonly name: string
  readonly dialect: LlmDialect
  readonly request: JsonObject
  readonly response: JsonObject | undefined
  readonly events: readonly JsonObject[] | undefined
}

/** False on a machine without the recordings; their tests are skipped there. */
export const hasRecordings = existsSync(FOLDER)

/** All recorded turns of the LLM dialects. */
export function recordings(): Recording[] {
  if (!hasRecordings) return []
  const found: Recording[] = []
  for (const test of readdirSync(FOLDER)) {
    for (const folder of readdirSync(new URL(`${test}/`, FOLDER))) {
      const dialect = DIALECT_OF[folder]
      if (dialect === undefined) continue
      for (const prefix of ['', 'followup-']) {
        const turn = (file: string) => read(`${test}/${folder}/${prefix}${file}.json`)
        const request = turn('request')
        if (request === undefined) continue
        found.push({
          name: `${test}/${folder}${prefix === '' ? '' : ', second turn'}`,
          dialect,
          request: request as JsonObject,
          response: turn('response') as JsonObject | undefined,
          events: stream(turn('response-streaming') as JsonObject[] | undefined),
        })
      }
    }
  }
  return found
}

/** Seven files hold no stream of their API: a plain message in a list, or events that no SDK knows. */
function stream(events: JsonObject[] | undefined): JsonObject[] | undefined {
  const isForeign =
    events?.[0]?.['type'] === 'message' || events?.[0]?.['object'] === 'response.delta'
  return isForeign ? undefined : events
}

function read(path: string): Json | undefined {
  const url = new URL(path, FOLDER)
  return existsSync(url) ? (JSON.parse(readFileSync(url, 'utf8')) as Json) : undefined
}
