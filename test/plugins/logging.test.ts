import { existsSync, readFileSync } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { GatewayError } from '#core/errors.ts'
import type { Json, JsonObject } from '#core/kit/json.ts'
import { checkOptions } from '#core/testing/options.ts'
import { testPlugin, type TestAnswer, type TestedPlugin, type TestRequest } from '#core/testing.ts'
import logging from '#plugins/logging/logging.ts'

const CHAT: TestRequest = {
  path: '/v1/chat/completions',
  headers: { authorization: 'Bearer sk-client', 'x-trace': 'abc' },
  body: { model: 'gpt-4o', messages: [{ role: 'user', content: 'write to ada@example.com' }] },
}
const ANSWER: TestAnswer = {
  body: {
    choices: [{ message: { content: 'call +1 415 555 2671' } }],
    usage: { prompt_tokens: 3, completion_tokens: 4, total_tokens: 7 },
  },
}

const folders: string[] = []

afterEach(async () => {
  await Promise.all(folders.splice(0).map((folder) => rm(folder, { recursive: true })))
})

/** The plugin, writing to a file, and what it has written once it is closed. */
async function logger(options: JsonObject = {}, random?: () => number) {
  const folder = await mkdtemp(join(tmpdir(), 'logging-'))
  folders.push(folder)
  const destination = join(folder, 'logs', 'exchanges.log')
  const settings = random === undefined ? {} : { random }
  const tested = await testPlugin(logging, { ...options, destination }, settings)
  return {
    tested,
    lines: async (): Promise<JsonObject[]> => {
      await tested.close()
      const text = await readFile(destination, 'utf8')
      return text
        .split('\n')
        .slice(0, -1)
        .map((line) => JSON.parse(line) as JsonObject)
    },
  }
}

/** The one line of one exchange. */
async function lineOf(options: JsonObject, request = CHAT, answer = ANSWER): Promise<JsonObject> {
  const { tested, lines } = await logger(options)
  await tested.request(request, answer)
  const [line] = await lines()
  return line!
}

describe('logging', () => {
  it('writes one line per exchange, with what an operator asks first', async () => {
    const line = await lineOf({}, { ...CHAT, consumer: { id: 'ada' } })
    expect(line).toEqual({
      level: 'info',
      time: 1_767_225_600_000,
      id: 'test-1',
      route: 'test',
      method: 'POST',
      path: '/v1/chat/completions',
      status: 200,
      durationMs: 0,
      firstByteMs: 0,
      requestBytes: expect.any(Number),
      responseBytes: expect.any(Number),
      consumer: 'ada',
      upstream: 'upstream',
      attempt: 1,
      usage: { inputTokens: 3, outputTokens: 4, totalTokens: 7 },
      msg: 'exchange',
    })
  })

  it('says why an exchange failed, and on whose side', async () => {
    const error = new GatewayError('UPSTREAM_TIMEOUT', 'no answer within 30s')
    expect(await lineOf({}, CHAT, { error })).toMatchObject({
      level: 'error',
      status: 504,
      end: 'error',
      code: 'UPSTREAM_TIMEOUT',
      source: 'upstream',
      detail: 'no answer within 30s',
    })
  })

  it('counts the tokens of a stream, and tells of one that was cut', async () => {
    const usage = { prompt_tokens: 1, completion_tokens: 2, total_tokens: 3 }
    const chunks = [{ json: { choices: [], usage } }]
    expect(await lineOf({}, CHAT, { chunks })).toMatchObject({
      level: 'info',
      usage: { totalTokens: 3 },
    })
    expect(await lineOf({}, CHAT, { chunks, isCut: true })).toMatchObject({
      level: 'error',
      end: 'upstream-cut',
      code: 'UPSTREAM_CUT',
    })
  })

  it('writes from its level on: refusals are warnings, failures are errors', async () => {
    const statuses = async (level: string) => {
      const { tested, lines } = await logger({ level })
      for (const status of [200, 404, 500]) await tested.request(CHAT, { status, body: {} })
      return (await lines()).map((line) => [line['level'], line['status']])
    }
    expect(await statuses('info')).toEqual([
      ['info', 200],
      ['warn', 404],
      ['error', 500],
    ])
    expect(await statuses('warn')).toEqual([
      ['warn', 404],
      ['error', 500],
    ])
    expect(await statuses('error')).toEqual([['error', 500]])
  })

  it('samples what went well, and never what did not', async () => {
    const row = [0.1, 0.9, 0.2]
    const { tested, lines } = await logger({ sample: 0.5 }, () => row.shift()!)
    for (let count = 0; count < 3; count++) await tested.request(CHAT, ANSWER)
    await tested.request(CHAT, { status: 429, body: {} })
    expect((await lines()).map(({ id }) => id)).toEqual(['test-1', 'test-3', 'test-4'])
  })

  it('adds fields by expression, and writes the line also where one fails', async () => {
    const fields = { tenant: '$consumer.tenant', slow: { gt: ['$res.status', 100] } }
    expect(
      await lineOf({ fields }, { ...CHAT, consumer: { id: 'a', tenant: 'acme' } }),
    ).toMatchObject({ tenant: 'acme', slow: true })
    await expect(testPlugin(logging, { fields: { status: 1 } })).rejects.toThrow(
      'fields.status: is a field of every line already',
    )
  })

  it('masks what the operator names, in items of lists too, and nothing upstream', async () => {
    const { tested, lines } = await logger({
      requests: { logBody: true },
      redact: ['request.body.messages[*].content', 'path'],
    })
    const { upstream } = await tested.request(CHAT, ANSWER)
    expect(upstream?.body).toEqual(CHAT.body)
    expect((await lines())[0]).toMatchObject({
      path: '•••',
      request: { body: { model: 'gpt-4o', messages: [{ role: 'user', content: '•••' }] } },
    })
    await expect(testPlugin(logging, { redact: ['a[', 'b'] })).rejects.toThrow(
      'redact[0]: expected a path',
    )
  })

  describe('bodies and header fields', () => {
    it('are left out unless asked for, and then nothing is gathered', async () => {
      const line = await lineOf({})
      expect(line).not.toHaveProperty('request')
      expect(line).not.toHaveProperty('response')
      expect(checkOptions(logging, {}).reads).toEqual(new Set())
    })

    it('come with credentials masked and personal data replaced', async () => {
      const answer = { ...ANSWER, headers: { 'Set-Cookie': 'a=1', 'x-served-by': 'eu' } }
      const line = await lineOf(
        {
          requests: { logBody: true, logHeaders: true },
          responses: { logBody: true, logHeaders: true },
        },
        CHAT,
        answer,
      )
      expect(line['request']).toMatchObject({
        headers: { authorization: '•••', 'x-trace': 'abc' },
        body: { messages: [{ content: 'write to [email]' }] },
      })
      expect(line['response']).toMatchObject({
        headers: { 'set-cookie': '•••', 'x-served-by': 'eu' },
        body: { choices: [{ message: { content: 'call [phone]' } }] },
      })
      expect(JSON.stringify(line)).not.toMatch(/sk-client|ada@|415/)
    })

    it('keep personal data where the operator wants it', async () => {
      const line = await lineOf({ requests: { logBody: true, sanitizePII: false } })
      expect(JSON.stringify(line['request'])).toContain('ada@example.com')
    })

    it('of a stream are its events', async () => {
      const chunks = [{ json: { text: 'ada@example.com' } }, '[DONE]']
      const line = await lineOf({ responses: { logBody: true } }, CHAT, { chunks })
      expect(line['response']).toEqual({ events: [{ text: '[email]' }, '[DONE]'] })
    })

    it('are cut at the limit', async () => {
      const body = { text: 'x'.repeat(10_000), more: [1, 2, 3] }
      const line = await lineOf({ requests: { logBody: true }, bodyLimit: 100 }, { ...CHAT, body })
      expect(JSON.stringify(line['request']).length).toBeLessThan(300)
      expect(JSON.stringify(line['request'])).toContain('x…')
    })
  })

  it('adds who asked for what with logMetadata, query credentials masked', async () => {
    const request = { ...CHAT, path: '/v1/chat/completions?api_key=k1&key=k2&q=ada@example.com' }
    expect(await lineOf({ requests: { logMetadata: true } }, request)).toMatchObject({
      ip: '192.0.2.1',
      host: 'gateway.test',
      protocol: 'http',
      dialect: 'openai-chat',
      model: 'gpt-4o',
      query: { api_key: '•••', key: '•••', q: '[email]' },
    })
  })

  describe('its destination', () => {
    it('loses no line when it is closed, and can be closed twice', async () => {
      const { tested, lines } = await logger()
      await Promise.all(Array.from({ length: 200 }, () => tested.request(CHAT, ANSWER)))
      expect(await lines()).toHaveLength(200)
      await tested.hooks.close!()
    })

    it('has a line soon, also when no other follows', async () => {
      const folder = await mkdtemp(join(tmpdir(), 'logging-'))
      folders.push(folder)
      const destination = join(folder, 'a.log')
      const tested = await testPlugin(logging, { destination })
      await tested.request(CHAT, ANSWER)
      expect(readFileSync(destination, 'utf8')).toBe('')
      await tested.clock.advance(1_000)
      await vi.waitUntil(() => readFileSync(destination, 'utf8') !== '')
      await tested.close()
    })

    it('that cannot be opened fails the start, by name', async () => {
      const destination = '/dev/null/nothing.log'
      await expect(testPlugin(logging, { destination })).rejects.toThrow(
        'cannot open the log "/dev/null/nothing.log"',
      )
    })

    it('that is full is told to the operator, and never to a client', async () => {
      const tested = await testPlugin(logging, { destination: '/dev/full', buffer: '64kb' })
      for (let count = 0; count < 400; count++) {
        expect((await tested.request(CHAT, ANSWER)).status).toBe(200)
      }
      await vi.waitUntil(() => tested.log.length > 0)
      expect(tested.log[0]).toMatchObject({ level: 'error', message: 'log not written' })
      await tested.clock.advance(1_000)
      expect(tested.metric('log_lines_dropped_total')).toBeGreaterThan(0)
      expect(tested.log.some(({ message }) => message === 'log lines dropped')).toBe(true)
      // Told once, however often it is tried again.
      for (let count = 0; count < 20; count++) {
        await tested.request(CHAT, ANSWER)
        await new Promise((resolve) => setImmediate(resolve))
      }
      const told = tested.log.filter(({ message }) => message === 'log not written')
      expect(told).toHaveLength(1)
    })
  })

  describe('audit', () => {
    const rows = async (tested: TestedPlugin) =>
      (await tested.store.ledger.read('audit', { limit: 10 })).map(({ row }) => row)

    it('keeps refusals and failures in the ledger, by their kind', async () => {
      const { tested } = await logger({ audit: { enabled: true, events: ['auth', 'error'] } })
      for (const code of ['UNAUTHENTICATED', 'RATE_LIMITED', 'UPSTREAM_CUT'] as const) {
        await tested.request(
          { ...CHAT, consumer: { id: 'ada' } },
          { error: new GatewayError(code, 'no') },
        )
      }
      await tested.request(CHAT, ANSWER)
      await tested.hooks.close!()
      expect(await rows(tested)).toEqual([
        expect.objectContaining({
          event: 'auth',
          code: 'UNAUTHENTICATED',
          status: 401,
          consumer: 'ada',
        }),
        expect.objectContaining({
          event: 'error',
          code: 'UPSTREAM_CUT',
          id: 'test-3',
          upstream: 'upstream',
        }),
      ])
    })

    it('keeps what other steps tell of a cost threshold', async () => {
      const { tested } = await logger({ audit: { enabled: true } })
      tested.emit('costThreshold', { consumer: 'ada', share: 0.8 })
      await tested.hooks.close!()
      expect(await rows(tested)).toEqual([{ event: 'costThreshold', consumer: 'ada', share: 0.8 }])
    })

    it('keeps nothing unless asked', async () => {
      const { tested } = await logger()
      await tested.request(CHAT, { error: new GatewayError('DENIED', 'no') })
      await tested.hooks.close!()
      expect(await rows(tested)).toEqual([])
    })
  })

  const roadmap = new URL('../../../shared/roadmap/logging.json', import.meta.url)
  it.skipIf(!existsSync(roadmap))('loads as the roadmap writes it', async () => {
    const block = JSON.parse(readFileSync(roadmap, 'utf8')) as { logging: { [key: string]: Json } }
    const { enabled: _reserved, ...options } = block.logging
    const line = await lineOf(options)
    expect(line).toMatchObject({ model: 'gpt-4o', ip: '192.0.2.1', usage: { totalTokens: 7 } })
    expect(line['request']).toMatchObject({ headers: { authorization: '•••' } })
    expect(line['response']).not.toHaveProperty('body')
  })
})
