import OpenAI from 'openai'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { HeldStream } from '#plugins/retryPolicy/held-stream.ts'
import { watchStart } from '#plugins/retryPolicy/watches.ts'
import {
  answers,
  ask,
  chatAt,
  HELLO,
  OVERLOADED,
  ROLE,
  startRetrying,
  startScripted,
  streams,
  WHOLE,
} from './retryPolicy.fixture.ts'

const FAST = '{ initialDelay: 1ms, jitter: false }'
const STREAM = { stream: true }

describe('a stream', () => {
  it('that turns into an error before its first content is tried again', async () => {
    const up = await startScripted(streams([ROLE, OVERLOADED]), streams(WHOLE))
    const { url } = await startRetrying(FAST, { chat: chatAt(up.url) })
    const text = await (await ask(url, STREAM)).text()
    expect(text).toContain('hello')
    expect(text).not.toContain('overloaded')
    expect(up.seen).toHaveLength(2)
  })

  it('that is cut before its first content is tried again', async () => {
    const up = await startScripted(streams([ROLE], 'cut'), streams(WHOLE))
    const { url } = await startRetrying(FAST, { chat: chatAt(up.url) })
    expect(await (await ask(url, STREAM)).text()).toContain('[DONE]')
  })

  it('that is cut after its first content is not: the client has read it', async () => {
    const up = await startScripted(streams([ROLE, HELLO], 'cut'))
    const { url } = await startRetrying(FAST, { chat: chatAt(up.url) })
    const text = await (await ask(url, STREAM)).text()
    expect(text).toContain('hello')
    expect(text).toContain('"error"')
    expect(up.seen).toHaveLength(1)
  })

  it('that tells nothing but an error is answered with its status, and the SDK stops there', async () => {
    const up = await startScripted(streams([OVERLOADED]))
    const { url } = await startRetrying(FAST, { chat: chatAt(up.url) })
    const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: 'k', maxRetries: 2 })
    const asked = client.chat.completions.create({ model: 'gpt-4o', messages: [], stream: true })
    await expect(asked).rejects.toMatchObject({ status: 500, code: 'server_is_overloaded' })
    expect(up.seen).toHaveLength(3)
  })

  it('is held back for so long and no longer', async () => {
    const up = await startScripted(streams([ROLE], 'open'))
    const options = '{ initialDelay: 1ms, holdStream: 40ms }'
    const { url } = await startRetrying(options, { chat: chatAt(up.url) })
    const answer = await ask(url, STREAM)
    const { value } = await answer.body!.getReader().read()
    expect(String(Buffer.from(value!))).toContain('assistant')
  })

  it('is not held back where that is switched off', async () => {
    const up = await startScripted(streams([OVERLOADED]))
    const { url } = await startRetrying('{ holdStream: 0 }', { chat: chatAt(up.url) })
    expect((await ask(url, STREAM)).status).toBe(200)
    expect(up.seen).toHaveLength(1)
  })

  it('passes byte by byte as it came', async () => {
    const up = await startScripted(streams([': x', ...WHOLE] as object[]))
    const bare = await (await ask(up.url, STREAM)).text()
    const { url } = await startRetrying(FAST, { chat: chatAt(up.url) })
    expect(await (await ask(url, STREAM)).text()).toBe(bare)
  })

  it('that the client leaves while it is held back ends the call', async () => {
    const { promise: closed, resolve } = Promise.withResolvers<void>()
    const up = await startScripted((res, req) => {
      res.on('close', resolve)
      streams([ROLE], 'open')(res, req)
    })
    const { url } = await startRetrying(FAST, { chat: chatAt(up.url) })
    const client = new AbortController()
    const asked = ask(url, STREAM, { signal: client.signal })
    await expect.poll(() => up.seen.length).toBe(1)
    client.abort()
    await expect(asked).rejects.toThrow('abort')
    await closed
    expect(up.seen).toHaveLength(1)
  })
})

describe('what is held back', () => {
  const bytes = Buffer.from(
    [ROLE, ROLE, HELLO].map((event) => `data: ${JSON.stringify(event)}\n\n`).join(''),
  )

  it('comes out as it went in, wherever it is split and however slow the reader is', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.nat(bytes.length), { maxLength: 8 }),
        fc.array(fc.boolean(), { minLength: 12, maxLength: 12 }),
        fc.nat(8),
        (cuts, answersOf, pipeAt) => {
          const at = [0, ...cuts.sort((a, b) => a - b), bytes.length]
          const pieces = at.slice(1).map((end, index) => bytes.subarray(at[index], end))
          const out: Buffer[] = []
          let ended = 0
          let calls = 0
          const source = { pipe() {}, resume() {}, abort() {} }
          const held = new HeldStream(source, watchStart('openai-chat'))
          const sink = {
            data(chunk: Buffer) {
              out.push(chunk)
              return answersOf[calls++ % answersOf.length]!
            },
            end: () => void ended++,
            error: () => expect.unreachable(),
          }
          pieces.forEach((piece, index) => {
            if (index === pipeAt) held.pipe(sink)
            held.data(piece)
            if (index > pipeAt) held.resume()
          })
          if (pipeAt >= pieces.length) held.pipe(sink)
          held.end()
          for (let i = 0; i < 12; i++) held.resume()
          expect(Buffer.concat(out).equals(bytes)).toBe(true)
          expect(ended).toBe(1)
        },
      ),
    )
  })

  it('is a bounded number of bytes', async () => {
    const source = { pipe() {}, resume() {}, abort() {} }
    const held = new HeldStream(source, watchStart('openai-chat'))
    expect(held.data(Buffer.alloc(60 * 1024, ':'))).toBe(true)
    expect(held.data(Buffer.alloc(8 * 1024, ':'))).toBe(false)
    expect(await held.found).toEqual({ as: 'content' })
  })
})

it('leaves a plain answer alone', async () => {
  const up = await startScripted(answers(200))
  const { url } = await startRetrying(FAST, { chat: chatAt(up.url) })
  expect((await ask(url)).headers.has('x-should-retry')).toBe(false)
})
