import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { LlmDialect } from '#core/dialects/dialect.ts'
import type { Said } from '../../support/replay/conversation.ts'
import { PROVIDERS } from '../../support/replay/provider.ts'
import type { Scripted } from '../../support/replay/upstream.ts'
import { MODELS, THINKING_ABOUT_TOOLS } from './cases.ts'
import type { Client, Fault } from './clients/client.ts'
import { COLUMNS, Lanes } from './lanes.ts'
import { named } from './run-cell.ts'

const lanes = new Lanes()

beforeAll(() => lanes.start())
afterAll(() => lanes.close())

/** Asks, and gives back what was thrown. */
async function failureOf(
  client: Client,
  upstream: LlmDialect,
  stream: boolean,
  scripted: Scripted,
): Promise<{ error: unknown; word: string }> {
  const script = lanes.upstreams[upstream].expect([scripted])
  const ask = named({ maxTokens: 900, turns: [{ role: 'user', text: 'Weather? ' }] }, script.word)
  const model = MODELS[upstream].plain
  const error: unknown = await client.ask(ask, { url: lanes.url, model, stream }).then(
    ({ heard }) => ({ nothing: heard }),
    (cause: unknown) => cause,
  )
  return { error, word: script.word }
}

/** Numbers of frames after which a stream is not complete yet. */
function placesIn(upstream: LlmDialect, said: Said): number[] {
  const { length } = PROVIDERS[upstream].answers.frames(said, { model: 'm' })
  // Without usage: the finish reason stands before `[DONE]`, which not all servers of this dialect send.
  const places = upstream === 'openai-chat' ? length - 1 : length
  return Array.from({ length: places }, (_, after) => after)
}

/** The class of an error that came within a stream. */
function streamFault(client: Client, error: unknown): Fault {
  const fault = client.faultOf(error)
  // The AI SDK makes an error of the call out of one that comes before anything that it tells.
  return fault === 'server' && client.name.startsWith('ai, ') ? 'stream' : fault
}

describe.each(COLUMNS)('$name in front of $upstream', ({ client, upstream }) => {
  const modes = [
    { stream: false, how: 'plain' },
    { stream: true, how: 'streamed' },
  ]

  test.concurrent.each(modes)('is told of a rate limit, $how', async ({ stream }) => {
    const { error } = await failureOf(client, upstream, stream, { failure: 'rateLimit' })
    expect(client.faultOf(error)).toBe('rateLimit')
    expect((error as Error).message).toMatch(/rate limit|quota/i)
    const headers = client.headersOf?.(error)
    // Gemini tells its own clients in the body.
    const isInBody = upstream === 'gemini' && client.dialect === 'gemini'
    if (headers !== undefined && !isInBody) expect(headers.get('retry-after')).toBe('7')
  })

  test.concurrent.each(modes)('is told of an internal error, $how', async ({ stream }) => {
    const { error, word } = await failureOf(client, upstream, stream, { failure: 'serverError' })
    expect(client.faultOf(error)).toBe('server')
    expect((error as Error).message).toMatch(/error/i)
    const [{ outcome }] = (await lanes.recordsOf(word, 1)) as [never]
    expect(outcome).toMatchObject({ status: 500 })
  })

  test.concurrent('is told of an error within a stream', async () => {
    const said = THINKING_ABOUT_TOOLS[upstream]
    const failures = await Promise.all(
      [0, 5, placesIn(upstream, said).length - 1].map((after) =>
        failureOf(client, upstream, true, { said, delivery: { errorAfter: after } }),
      ),
    )
    const faults = failures.map(({ error }) => streamFault(client, error))
    expect(faults).toEqual(faults.map(() => 'stream'))
  })

  test.concurrent.each(['end', 'drop'] as const)(
    'is told of a stream that is cut at any event (%s)',
    async (how) => {
      const said = THINKING_ABOUT_TOOLS[upstream]
      const failures = await Promise.all(
        placesIn(upstream, said).map((after) =>
          failureOf(client, upstream, true, { said, delivery: { cut: { after, how } } }),
        ),
      )
      const faults = failures.map(({ error }) => streamFault(client, error))
      expect(faults).toEqual(faults.map(() => 'stream'))
      const records = await Promise.all(failures.map(({ word }) => lanes.recordsOf(word, 1)))
      expect(records.flat().map(({ outcome }) => outcome.end)).toEqual(
        faults.map(() => 'upstream-cut'),
      )
      // What was known before the cut: the input, by those who tell it first. The rest is the gateway's own count.
      const tellsInput = upstream === 'anthropic' || upstream === 'gemini'
      const own: unknown = expect.any(Number)
      expect(records.flat().map(({ usage }) => usage)).toMatchObject(
        faults.map((_, after) => ({
          inputTokens: tellsInput && after > 0 ? said.usage.input : own,
          isEstimated: true,
        })),
      )
    },
  )
})
