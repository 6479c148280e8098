import type { ServerResponse } from 'node:http'
import { once } from 'node:events'
import { request } from 'node:http'
import { describe, expect, test } from 'vitest'
import type { LlmDialect } from '#core/dialects/dialect.ts'
import type { Outcome } from '#core/sdk.ts'
import { ANSWERS, framed } from '../support/answers.ts'
import { startTestGateway } from '../support/gateway.ts'
import { askFor, startProvider } from '../support/providers.ts'
import { step } from '../support/step.ts'

const DIALECTS = Object.keys(ANSWERS) as LlmDialect[]
const pairs = DIALECTS.flatMap((client) =>
  DIALECTS.flatMap((upstream) => (client === upstream ? [] : [[client, upstream] as const])),
)

/** An upstream whose streams the test writes itself, behind a gateway that notes how each exchange ended. */
async function start(dialect: LlmDialect, write: (res: ServerResponse, turn: number) => void) {
  const ends: { outcome: Outcome; usage: unknown }[] = []
  const meter = step('meter', { done: ({ usage }, outcome) => void ends.push({ outcome, usage }) })
  let turn = 0
  const provider = await startProvider(dialect, (res) => {
    res.writeHead(200, { 'content-type': 'text/event-stream' })
    write(res, turn++)
  })
  const gateway = await startTestGateway(
    `
upstreams: { provider: { dialect: ${dialect}, url: "${provider.url}" } }
routes: [{ id: llm, match: { api: llm }, pipeline: [meter], upstream: provider }]
`,
    { plugins: [meter] },
  )
  const ask = (client: LlmDialect) => askFor(client, gateway.url, { stream: true })
  return { ...gateway, ask, ends }
}

/** What differs from one request to the next, and says nothing. */
function withoutIds(text: string): string {
  return text
    .replaceAll(/[0-9a-f]{32}/g, 'ID')
    .replaceAll(/"(created|created_at|completed_at)":\d+/g, '"$1":0')
}

const isError: Readonly<Record<LlmDialect, RegExp>> = {
  'openai-chat': /data: \{"error":\{.*\}\}\n\n$/,
  'openai-responses': /event: response\.failed\ndata: .*"status":"failed".*\n\n$/,
  anthropic: /event: error\ndata: \{"type":"error".*\}\n\n$/,
  gemini: /data: \{"error":\{.*\}\}\n\n$/,
}

/** What a stream says that has come to its end. */
const isComplete: Readonly<Record<LlmDialect, RegExp>> = {
  'openai-chat': /\[DONE\]/,
  'openai-responses': /response\.completed/,
  anthropic: /message_stop/,
  gemini: /finishReason/,
}

/** True from the event on with which an upstream's answer is complete: what follows may be missing. */
const isLast: Readonly<Record<LlmDialect, (frame: string) => boolean>> = {
  'openai-chat': (frame) => frame.includes('"finish_reason":"tool_calls"'),
  'openai-responses': (frame) => frame.includes('event: response.completed'),
  anthropic: (frame) => frame.includes('event: message_stop'),
  gemini: (frame) => frame.includes('finishReason'),
}

describe.each(pairs)('a stream for a client of %s from %s', (client, dialect) => {
  test('is the same wherever its bytes are cut', { timeout: 60_000 }, async () => {
    const bytes = Buffer.from(framed(dialect, ANSWERS[dialect].events).join(''))
    // Every seventh byte: events have many lengths, so that each kind of place is met.
    const cuts = Array.from({ length: Math.floor(bytes.length / 7) }, (_, at) => at * 7 + 1)
    const { ask, ends } = await start(dialect, (res, turn) => {
      const cut = turn === 0 ? bytes.length : cuts[turn - 1]!
      res.write(bytes.subarray(0, cut))
      setImmediate(() => res.end(bytes.subarray(cut)))
    })
    const whole = withoutIds((await ask(client)).text)
    expect(whole).toMatch(isComplete[client])
    for (let at = 0; at < cuts.length; at += 32) {
      const texts = await Promise.all(cuts.slice(at, at + 32).map(() => ask(client)))
      expect(new Set(texts.map(({ text }) => withoutIds(text)))).toEqual(new Set([whole]))
    }
    await expect.poll(() => ends.length).toBe(cuts.length + 1)
    expect(new Set(ends.map(({ usage }) => JSON.stringify(usage))).size).toBe(1)
  })

  test.each(['ends too early', 'breaks off'])(
    'that %s, after any event, is an error to the client',
    async (how) => {
      const frames = framed(dialect, ANSWERS[dialect].events)
      const cutAfter = frames.findIndex(isLast[dialect])
      const { ask, ends } = await start(dialect, (res, turn) => {
        res.write(frames.slice(0, turn + 1).join(''))
        // With half of the next event, so that it is no event yet.
        res.write(frames[turn + 1]!.slice(0, 20))
        if (how === 'breaks off') setTimeout(() => res.destroy(), 5)
        else setImmediate(() => res.end())
      })
      for (let turn = 0; turn < cutAfter; turn++) {
        const { text } = await ask(client)
        expect(text, `cut after event ${turn}`).toMatch(isError[client])
        expect(text, `cut after event ${turn}`).not.toMatch(isComplete[client])
        await expect.poll(() => ends.length).toBe(turn + 1)
      }
      expect(ends.every(({ outcome }) => outcome.end === 'upstream-cut')).toBe(true)
    },
  )
})

test('tokens that were counted before a cut are known', async () => {
  const frames = framed('anthropic', ANSWERS.anthropic.events)
  const { ask, ends } = await start('anthropic', (res) => void res.end(frames.slice(0, 4).join('')))
  await ask('openai-chat')
  await expect.poll(() => ends).toHaveLength(1)
  expect(ends[0]!.usage).toMatchObject({ inputTokens: 100, cacheReadTokens: 90 })
})

test('an error inside a stream keeps its class and its words', async () => {
  const frames = framed('anthropic', [
    ...ANSWERS.anthropic.events.slice(0, 4),
    { type: 'error', error: { type: 'overloaded_error', message: 'Too many at once' } },
  ])
  const { ask, ends } = await start('anthropic', (res) => void res.end(frames.join('')))
  const { text } = await ask('openai-chat')
  expect(text).toMatch(/data: \{"error":\{"message":"Too many at once",.*\}\}\n\n$/)
  const responses = (await ask('openai-responses')).text.match(/event: .*|"sequence_number":\d+/g)!
  expect(responses.slice(-4)).toEqual([
    'event: error',
    expect.stringMatching(/^"sequence_number":\d+$/),
    'event: response.failed',
    expect.stringMatching(/^"sequence_number":\d+$/),
  ])
  await expect
    .poll(() => ends.map(({ outcome }) => outcome.error?.code))
    .toEqual(['UPSTREAM_CUT', 'UPSTREAM_CUT'])
})

test('an event that is no JSON ends the stream as an error', async () => {
  const { ask } = await start('openai-chat', (res) => void res.end('data: {"id":\n\n'))
  expect((await ask('anthropic')).text).toMatch(/event: error\n.*no JSON/)
})

test('signs of life reach the client though it is told nothing', async () => {
  const frames = framed('openai-chat', ANSWERS['openai-chat'].events)
  const { ask } = await start(
    'openai-chat',
    (res) => void res.end(`: OPENROUTER PROCESSING\n\n${frames.join('')}`),
  )
  expect((await ask('anthropic')).text).toMatch(/^: ping\n\nevent: message_start/)
})

test('a stream of Gemini that is not asked for as events is a list, and is no list where it is cut', async () => {
  const frames = framed('openai-chat', ANSWERS['openai-chat'].events)
  const { url, ends } = await start('openai-chat', (res, turn) => {
    res.end(frames.slice(0, turn === 0 ? frames.length : 4).join(''))
  })
  const ask = () =>
    fetch(`${url}/v1/models/m:streamGenerateContent`, {
      method: 'POST',
      body: JSON.stringify({ contents: [{ parts: [{ text: 'Hi' }] }] }),
    })
  const answer = await ask()
  expect(answer.headers.get('content-type')).toMatch(/^application\/json/)
  const list = (await answer.json()) as { candidates: { finishReason?: string }[] }[]
  expect(list.length).toBeGreaterThan(3)
  expect(list.at(-1)!.candidates[0]!.finishReason).toBe('STOP')
  await expect((async () => (await ask()).text())()).rejects.toThrow('terminated')
  await expect.poll(() => ends.at(-1)?.outcome.end).toBe('upstream-cut')
})

test('a slow client makes the upstream wait', async () => {
  let sent = 0
  const frame = framed('anthropic', [
    {
      type: 'content_block_delta',
      index: 0,
      delta: { type: 'text_delta', text: 'x'.repeat(60_000) },
    },
  ])[0]!
  const { url } = await start('anthropic', (res) => {
    res.write(framed('anthropic', ANSWERS.anthropic.events.slice(0, 2)).join(''))
    const write = (): void => {
      while (sent < 200_000_000 && !res.destroyed) {
        sent += frame.length
        if (!res.write(frame)) return void res.once('drain', write)
      }
      res.end()
    }
    write()
  })
  const req = request(`${url}/v1/chat/completions`, { method: 'POST' })
  req.on('error', () => {})
  req.end(JSON.stringify({ model: 'm', stream: true, messages: [{ role: 'user', content: 'Hi' }] }))
  const [response] = await once(req, 'response')
  response.pause()
  let before = -1
  const stands = () => {
    const isStill = sent === before
    before = sent
    return isStill
  }
  await expect.poll(stands, { interval: 200, timeout: 10_000 }).toBe(true)
  expect(sent).toBeLessThan(60_000_000)
  response.destroy()
})

describe('in the same dialect', () => {
  test.each(DIALECTS)(
    'a stream of %s that ends without its last event was cut',
    async (dialect) => {
      const frames = framed(dialect, ANSWERS[dialect].events)
      const last = frames.findIndex(isLast[dialect])
      const { ask, ends } = await start(dialect, (res, turn) => {
        res.end(frames.slice(0, turn === 0 ? frames.length : last).join(''))
      })
      expect((await ask(dialect)).text).toBe(frames.join(''))
      const { text } = await ask(dialect)
      expect(text.startsWith(frames.slice(0, last).join(''))).toBe(true)
      expect(text).toMatch(isError[dialect])
      await expect
        .poll(() => ends.map(({ outcome }) => outcome.end))
        .toEqual(['completed', 'upstream-cut'])
    },
  )
})
