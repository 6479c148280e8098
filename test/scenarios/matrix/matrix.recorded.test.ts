import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { LlmDialect } from '#core/dialects/dialect.ts'
import { hasRecordings, recordings, type Recording } from '../../core/dialects/recordings.ts'
import { dataFrame, namedFrame } from '../../support/replay/answer-form.ts'
import { ReplayUpstream } from '../../support/replay/upstream.ts'
import { MODELS } from './cases.ts'
import { anthropic } from './clients/anthropic.ts'
import type { Client, Heard } from './clients/client.ts'
import { gemini } from './clients/gemini.ts'
import { openaiChat } from './clients/openai-chat.ts'
import { openaiResponses } from './clients/openai-responses.ts'
import { OWN_COLUMNS, DIALECTS, Lanes, type Recorded } from './lanes.ts'
import { named } from './run-cell.ts'

/** The folders of recordings that hold a case: text, calls and results, a schema, thoughts, stop and length. */
const FOLDERS: ReadonlySet<string> = new Set([
  'simpleRequest',
  'toolCallRequest',
  'parallelToolCallsRequest',
  'textFormatJsonSchemaParam',
  'complexReasoningRequest',
  'stopSequencesParam',
  'simpleRequestTruncated',
])

/** Each provider's own SDK, which says what a recording means. */
const OWN: Readonly<Record<LlmDialect, Client>> = {
  'openai-chat': openaiChat,
  'openai-responses': openaiResponses,
  anthropic,
  gemini,
}

const lanes = new Lanes()
/** The same upstreams without the gateway. */
const direct = new Map<LlmDialect, { upstream: ReplayUpstream; url: string }>()

beforeAll(async () => {
  await lanes.start()
  for (const dialect of DIALECTS) {
    const upstream = new ReplayUpstream(dialect)
    direct.set(dialect, { upstream, url: await upstream.start() })
  }
})

afterAll(async () => {
  await lanes.close()
  for (const { upstream } of direct.values()) await upstream.close()
})

/** A recorded stream with the framing of its provider put back. */
function framesOf({ events = [], dialect }: Recording): string[] {
  const isNamed = dialect === 'anthropic' || dialect === 'openai-responses'
  const frames = events.map(isNamed ? namedFrame : dataFrame)
  return dialect === 'openai-chat' ? [...frames, 'data: [DONE]\n\n'] : frames
}

/** What a client hears of a recording, from an upstream at `url` or behind it. */
async function hear(
  client: Client,
  recording: Recording & { stream: boolean },
  { upstream, url }: { upstream: ReplayUpstream; url: string },
) {
  const { dialect, response = {}, stream } = recording
  const { word } = upstream.expect([{ plain: response, frames: framesOf(recording) }])
  const ask = named({ maxTokens: 900, turns: [{ role: 'user', text: 'Say it: ' }] }, word)
  const { heard } = await client.ask(ask, { url, model: MODELS[dialect].plain, stream })
  return { heard, word }
}

/** What all clients must hear alike; ids are minted where Gemini has none, and usage was not asked for in all streams. */
function gistOf({ text, calls, finish, usage }: Heard, isTold: boolean) {
  const told = calls.map(({ name, arguments: input }) => [name, input])
  return { text, calls: told, finish, ...(isTold ? { usage } : {}) }
}

test.skipIf(hasRecordings)('the recordings are not there, so none is replayed', () => {
  expect(hasRecordings).toBe(false)
})

describe.skipIf(!hasRecordings).each(OWN_COLUMNS)(
  '$name in front of $upstream',
  ({ client, upstream }) => {
    const recorded = recordings()
      .filter(({ dialect, name }) => dialect === upstream && FOLDERS.has(name.split('/')[0]!))
      .flatMap((recording) => [
        ...(recording.response === undefined ? [] : [{ ...recording, stream: false }]),
        ...(recording.events === undefined ? [] : [{ ...recording, stream: true }]),
      ])

    test.concurrent.each(recorded)('hears $name, streamed: $stream', async (recording) => {
      const behind = { upstream: lanes.upstreams[upstream], url: lanes.url }
      const { heard, word } = await hear(client, recording, behind)
      const own = await hear(OWN[upstream], recording, direct.get(upstream)!)
      const isTold = own.heard.usage.input >= 0
      expect(gistOf(heard, isTold)).toEqual(gistOf(own.heard, isTold))
      const [{ usage }] = (await lanes.recordsOf(word, 1)) as [Recorded]
      const { input, output } = own.heard.usage
      if (isTold) expect(usage).toMatchObject({ inputTokens: input, outputTokens: output })
    })
  },
)
