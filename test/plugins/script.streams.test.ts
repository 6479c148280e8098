import { describe, expect, it, onTestFinished } from 'vitest'
import { readFileSync } from 'node:fs'
import type { Json, JsonObject } from '#core/kit/json.ts'
import { testPlugin, type TestedPlugin } from '#core/testing.ts'
import script from '#plugins/script/script.ts'

const CHAT = { path: '/v1/chat/completions', body: { model: 'gpt-4o', stream: true, messages: [] } }

/** The library of the example, written into the script: testPlugin knows no config. */
const MASK = readFileSync('examples/lib/cards.ts', 'utf8').replaceAll(/^export /gm, '')
const REDACT = `${MASK}
if (chunk.text !== undefined) Object.assign(chunk, maskCards(chunk.text, chunk.isLast))`

async function withScript(options: { [name: string]: Json }): Promise<TestedPlugin> {
  const tested = await testPlugin(script, options)
  onTestFinished(() => tested.close())
  return tested
}

const delta = (content: string) => JSON.stringify({ choices: [{ index: 0, delta: { content } }] })
const END = JSON.stringify({ choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] })

/** What a client has read at the end. */
function textOf(chunks: readonly { json: Json | undefined }[]): string {
  return chunks
    .flatMap(({ json }) => ((json as JsonObject | undefined)?.['choices'] ?? []) as JsonObject[])
    .map((choice) => ((choice['delta'] as JsonObject)['content'] as string | undefined) ?? '')
    .join('')
}

describe('a script on chunks', () => {
  const card = '4111 1111 1111 1111'

  it('masks a card number wherever the stream is cut', async () => {
    const tested = await withScript({ on: 'chunk', code: REDACT, sandbox: 'inline' })
    for (let cut = 0; cut <= card.length; cut++) {
      const pieces = [`see ${card.slice(0, cut)}`, `${card.slice(cut)}, thanks`]
      const { chunks } = await tested.request(CHAT, {
        chunks: [...pieces.map(delta), END, '[DONE]'],
      })
      expect(textOf(chunks)).toBe('see •••• •••• •••• 1111, thanks')
    }
  })

  it('masks one that comes digit by digit, and ends with the stream', async () => {
    const tested = await withScript({ on: 'chunk', code: REDACT })
    const { chunks } = await tested.request(CHAT, {
      chunks: [...Array.from(card).map(delta), END, '[DONE]'],
    })
    expect(textOf(chunks)).toBe('•••• •••• •••• 1111')
  })

  it('lets digits pass that are no card number', async () => {
    const tested = await withScript({ on: 'chunk', code: REDACT })
    const { chunks } = await tested.request(CHAT, {
      chunks: ['call 0123', ' 456', ' now'].map(delta),
    })
    expect(textOf(chunks)).toBe('call 0123 456 now')
  })

  it('masks it in a plain answer too', async () => {
    const tested = await withScript({ on: 'chunk', code: REDACT })
    const message = { role: 'assistant', content: `it is ${card}` }
    const { body } = await tested.request(CHAT, { body: { choices: [{ index: 0, message }] } })
    expect(body).toMatchObject({ choices: [{ message: { content: 'it is •••• •••• •••• 1111' } }] })
  })

  it('drops events, renames them, and gives them other JSON', async () => {
    const code = `
      if (chunk.json?.n === 2) return drop()
      if (chunk.json?.n === 3) { chunk.event = 'last'; chunk.json.n = 4 }
    `
    const tested = await withScript({ on: 'chunk', code })
    const { chunks } = await tested.request(
      { path: '/events' },
      { chunks: [1, 2, 3].map((n) => ({ json: { n } })) },
    )
    expect(chunks.map(({ event, json }) => [event, json])).toEqual([
      ['message', { n: 1 }],
      ['last', { n: 4 }],
    ])
  })

  it('ends an answer with a refusal', async () => {
    const code = "if (chunk.text?.includes('secret')) return deny(403, 'not for you')"
    const tested = await withScript({ on: 'chunk', code })
    const { chunks, error } = await tested.request(CHAT, {
      chunks: ['one', 'secret', 'two'].map(delta),
    })
    expect(error?.code).toBe('DENIED')
    expect(textOf(chunks)).toBe('one')
  })

  it('has nothing that it could keep from one event to the next', async () => {
    const tested = await withScript({ on: 'chunk', code: 'vars.n = 1' })
    const { error } = await tested.request(CHAT, { chunks: [delta('a')] })
    expect(error?.cause).toMatchObject({
      message: expect.stringContaining('not extensible') as string,
    })
  })
})

describe('a script on messages', () => {
  it('changes, drops, answers and ends', async () => {
    const code = `
      if (msg.text === 'ping') reply('pong')
      else if (msg.text === 'noise') drop()
      else if (msg.text === 'bye') close(4000, 'as you wish')
      else if (msg.text === 'no') deny(403, 'never')
      else if (msg.from === 'client') msg.text = msg.text.toUpperCase()
    `
    const tested = await withScript({ on: 'message', code })
    expect(await tested.message('client', 'hello')).toMatchObject({ text: 'HELLO' })
    expect(await tested.message('upstream', 'hello')).toBeUndefined()
    expect(await tested.message('client', 'ping')).toEqual({ reply: [{ data: 'pong' }] })
    expect(await tested.message('client', 'noise')).toBeNull()
    expect(await tested.message('client', 'bye')).toEqual({
      close: { code: 4000, reason: 'as you wish' },
    })
    expect(await tested.message('client', 'no')).toMatchObject({
      deny: { status: 403, message: 'never' },
    })
  })

  it('ends a session only with a code that is its own to give', async () => {
    const tested = await withScript({ on: 'message', code: "close(1006, 'x')" })
    await expect(tested.message('client', 'hello')).rejects.toThrow(
      '1006 is no code that ends a session',
    )
  })
})
