import OpenAI from 'openai'
import { describe, expect, it } from 'vitest'
import { fails, startRetrying, startScripted, type Turn } from './retryPolicy.fixture.ts'

const MESSAGE = {
  id: 'msg_1',
  type: 'message',
  role: 'assistant',
  model: 'claude-sonnet-4-6',
  content: [],
  stop_reason: null,
  stop_sequence: null,
  usage: { input_tokens: 3, output_tokens: 1 },
}
const START = { type: 'message_start', message: MESSAGE }
const OVERLOADED = { type: 'error', error: { type: 'overloaded_error', message: 'Overloaded' } }
const HELLO = [
  START,
  { type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } },
  { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: 'hello' } },
  { type: 'content_block_stop', index: 0 },
  { type: 'message_delta', delta: { stop_reason: 'end_turn' }, usage: { output_tokens: 2 } },
  { type: 'message_stop' },
]

function sends(events: readonly { readonly type: string }[]): Turn {
  return (res) => {
    res.writeHead(200, { 'content-type': 'text/event-stream' })
    const frames = events.map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`)
    res.end(frames.join(''))
  }
}

function claudeAt(url: string): string {
  return `{ dialect: anthropic, url: "${url}", keys: ["key-2"] }`
}

function clientOf(url: string): OpenAI {
  return new OpenAI({ baseURL: `${url}/v1`, apiKey: 'unused', maxRetries: 2 })
}

const QUESTION = {
  model: 'gpt-4o',
  max_tokens: 99,
  messages: [{ role: 'user' as const, content: 'hi' }],
}

describe('a fallback of another dialect', () => {
  it('takes over, and the SDK notices nothing', async () => {
    const first = await startScripted(fails(503))
    const second = await startScripted(sends(HELLO))
    const { url } = await startRetrying(
      '{ fallback: [{ upstream: claude, model: claude-sonnet-4-6 }] }',
      {
        openai: `{ dialect: openai-chat, url: "${first.url}/v1", keys: ["key-1"] }`,
        claude: claudeAt(second.url),
      },
    )
    const stream = clientOf(url).chat.completions.stream({ ...QUESTION, stream: true })
    expect((await stream.finalChatCompletion()).choices[0]!.message.content).toBe('hello')
    expect(second.seen[0]).toMatchObject({
      path: '/v1/messages',
      headers: { 'x-api-key': 'key-2' },
    })
    expect(JSON.parse(second.seen[0]!.body)).toMatchObject({ model: 'claude-sonnet-4-6' })
  })
})

describe('a stream that is converted', () => {
  it('and turns into an error before its first content is tried again', async () => {
    const up = await startScripted(sends([START, OVERLOADED]), sends(HELLO))
    const { url } = await startRetrying('{ initialDelay: 1ms }', { claude: claudeAt(up.url) })
    const stream = clientOf(url).chat.completions.stream({ ...QUESTION, stream: true })
    expect((await stream.finalChatCompletion()).choices[0]!.message.content).toBe('hello')
    expect(up.seen).toHaveLength(2)
  })

  it("and is an error from the start is answered with its status, in the client's words", async () => {
    const up = await startScripted(sends([START, OVERLOADED]))
    const { url } = await startRetrying('{ initialDelay: 1ms }', { claude: claudeAt(up.url) })
    const asked = clientOf(url).chat.completions.create({ ...QUESTION, stream: true })
    await expect(asked).rejects.toMatchObject({
      status: 503,
      message: expect.stringMatching(/Overloaded/),
    })
    expect(up.seen).toHaveLength(3)
  })
})
