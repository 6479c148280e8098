import { existsSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import type { Json, JsonObject } from '#core/kit/json.ts'
import { checkOptions } from '#core/testing/options.ts'
import { testPlugin, type TestAnswer, type TestRequest } from '#core/testing.ts'
import transformers from '#plugins/transformers/transformers.ts'

const CHAT: TestRequest = {
  path: '/v1/chat/completions',
  body: { model: 'm', messages: [{ role: 'user', content: 'hi' }] },
}

/** What the client sees of an answer after the given transformers. */
async function answered(output: Json[], answer: TestAnswer, request = CHAT) {
  return (await testPlugin(transformers, { output })).request(request, answer)
}

describe('transformers of answers', () => {
  it('change a plain answer and every JSON event of a stream alike', async () => {
    const output = [
      { type: 'removeFields', fields: ['system_fingerprint'] },
      { type: 'modifyBody', rules: [{ set: 'model', value: { upper: '$res.body.model' } }] },
    ]
    const body = { model: 'gpt', system_fingerprint: 'x' }
    expect((await answered(output, { body })).body).toEqual({ model: 'GPT' })
    const chunks = [{ json: body }, { event: 'named', json: { model: 'a' } }, '[DONE]']
    expect((await answered(output, { chunks })).chunks).toEqual([
      { event: 'message', data: '{"model":"GPT"}', json: { model: 'GPT' } },
      { event: 'named', data: '{"model":"A"}', json: { model: 'A' } },
      { event: 'message', data: '[DONE]', json: undefined },
    ])
  })

  it('can be kept to plain answers, or to events', async () => {
    const rule = (on: Json) => [{ type: 'removeFields', fields: ['a'], on }]
    const answer = { body: { a: 1, b: 2 } }
    const stream = { chunks: [{ json: answer.body }] }
    expect((await answered(rule(['events']), answer)).body).toEqual({ a: 1, b: 2 })
    expect((await answered(rule(['events']), stream)).chunks[0]!.json).toEqual({ b: 2 })
    expect((await answered(rule(['answer']), answer)).body).toEqual({ b: 2 })
    expect((await answered(rule(['answer']), stream)).chunks[0]!.json).toEqual({ a: 1, b: 2 })
  })

  it('leave an answer that is no JSON as it is', async () => {
    const output = [{ type: 'modifyBody', rules: [{ set: 'a', value: 1 }] }]
    expect((await answered(output, { body: 'plain' })).body).toBe('plain')
  })

  it('set header fields on answers and streams', async () => {
    const output = [
      {
        type: 'addHeaders',
        headers: { 'X-Model': '$req.body.model', 'x-status': '$res.status', server: null },
      },
    ]
    for (const answer of [{ body: {} }, { chunks: ['a'] }]) {
      const { headers } = await answered(output, { ...answer, headers: { server: 'upstream' } })
      expect(headers).toMatchObject({ 'x-model': 'm', 'x-status': '200' })
      expect(headers).not.toHaveProperty('server')
    }
  })

  describe('addMetadata', () => {
    it('says where an answer came from, in its body and its head', async () => {
      const tested = await testPlugin(transformers, { output: [{ type: 'addMetadata' }] })
      const answer = await tested.request(CHAT, () => {
        void tested.clock.advance(30)
        return { body: { id: 'chatcmpl-1' } }
      })
      expect(answer.body).toEqual({
        id: 'chatcmpl-1',
        gateway: {
          requestId: 'test-1',
          route: 'test',
          upstream: 'upstream',
          attempt: 1,
          durationMs: 30,
        },
      })
      expect(answer.headers).toMatchObject({
        'x-sluice-route': 'test',
        'x-sluice-upstream': 'upstream',
        'x-sluice-attempt': '1',
        'x-sluice-duration-ms': '30',
      })
    })

    it('tells streams by header alone, and leaves their events untouched', async () => {
      const answer = await answered([{ type: 'addMetadata' }], { chunks: [{ json: { a: 1 } }] })
      expect(answer.headers['x-sluice-upstream']).toBe('upstream')
      expect(answer.chunks[0]!.json).toEqual({ a: 1 })
    })

    it('puts it where the operator says, or nowhere', async () => {
      const at = (field: string | null) =>
        answered([{ type: 'addMetadata', field, headers: false }], { body: { metadata: { a: 1 } } })
      expect((await at('metadata.gateway')).body).toMatchObject({
        metadata: { a: 1, gateway: { route: 'test' } },
      })
      const none = await at(null)
      expect(none.body).toEqual({ metadata: { a: 1 } })
      expect(none.headers).not.toHaveProperty('x-sluice-route')
    })
  })

  describe('filterContent', () => {
    const output = [{ type: 'filterContent', patterns: ['(?i)falcon', '\\d{4}'], replacement: '#' }]

    it.each<[string, TestRequest, Json, Json]>([
      [
        'openai-chat',
        CHAT,
        { choices: [{ message: { content: 'Falcon 1234', tool_calls: [{ id: '1234' }] } }] },
        { choices: [{ message: { content: '# #', tool_calls: [{ id: '1234' }] } }] },
      ],
      [
        'openai-responses',
        { path: '/v1/responses', body: { model: 'm', input: 'hi' } },
        { id: '1234', output: [{ content: [{ type: 'output_text', text: 'falcon' }] }] },
        { id: '1234', output: [{ content: [{ type: 'output_text', text: '#' }] }] },
      ],
      [
        'anthropic',
        { path: '/v1/messages', body: { model: 'm', max_tokens: 1, messages: [] } },
        {
          content: [
            { type: 'text', text: 'FALCON' },
            { type: 'tool_use', input: { a: '1234' } },
          ],
        },
        {
          content: [
            { type: 'text', text: '#' },
            { type: 'tool_use', input: { a: '1234' } },
          ],
        },
      ],
      [
        'gemini',
        { path: '/v1beta/models/g:generateContent', body: { contents: [] } },
        { candidates: [{ content: { parts: [{ text: 'a falcon' }] } }] },
        { candidates: [{ content: { parts: [{ text: 'a #' }] } }] },
      ],
      [
        'http',
        { path: '/other', body: {} },
        { deep: [{ text: 'falcon', n: 1234 }] },
        { deep: [{ text: '#', n: 1234 }] },
      ],
    ])('replaces in the text of %s answers, and nowhere else', async (_, request, body, wanted) => {
      expect((await answered(output, { body }, request)).body).toEqual(wanted)
    })

    it('replaces in the text of events, and leaves the arguments of calls alone', async () => {
      const chat = { choices: [{ delta: { content: 'the Falcon' } }] }
      const { chunks } = await answered(output, { chunks: [{ json: chat }] })
      // The last word might have gone on.
      expect(chunks.map(({ json }) => json)).toEqual([
        { choices: [{ delta: { content: 'the ' } }] },
        { choices: [{ index: 0, delta: { content: '#' }, finish_reason: null }] },
      ])
      const events = [
        { type: 'response.output_text.delta', delta: 'falcon' },
        { type: 'response.function_call_arguments.delta', delta: 'falcon' },
      ]
      const responses = await answered(
        output,
        { chunks: events.map((json) => ({ event: json.type, json })) },
        { path: '/v1/responses', body: { model: 'm', input: 'hi' } },
      )
      const deltas = responses.chunks.map(({ json }) => (json as JsonObject)['delta'])
      expect(deltas).toEqual(['', 'falcon', '#'])
    })

    it('takes the replacement for plain text', async () => {
      const literal = [{ type: 'filterContent', patterns: ['(a)'], replacement: '$1\\' }]
      const body = { choices: [{ message: { content: 'a' } }] }
      expect((await answered(literal, { body })).body).toEqual({
        choices: [{ message: { content: '$1\\' } }],
      })
    })

    it('refuses a pattern that has no linear-time meaning', async () => {
      const lookahead = [{ type: 'filterContent', patterns: ['a(?=b)'] }]
      await expect(testPlugin(transformers, { output: lookahead })).rejects.toThrow(
        'output[0].patterns[0]:',
      )
    })
  })

  it('gather no body where there is nothing to change in it', () => {
    const of = (output: Json[]) => [...checkOptions(transformers, { output }).reads]
    expect(of([{ type: 'filterContent', on: ['events'] }])).toEqual([])
    expect(of([{ type: 'modifyBody', rules: [] }])).toEqual([])
    expect(of([{ type: 'addMetadata', field: null }])).toEqual([])
    expect(of([{ type: 'removeFields', fields: ['a'], on: ['events'] }])).toEqual([])
    expect(of([{ type: 'removeFields', fields: ['a'] }])).toEqual(['response.body'])
  })

  const roadmap = new URL('../../../shared/roadmap/transformers.json', import.meta.url)
  it.skipIf(!existsSync(roadmap))('load as the roadmap writes them', async () => {
    const block = JSON.parse(readFileSync(roadmap, 'utf8')) as { transformers: JsonObject }
    const tested = await testPlugin(transformers, block.transformers)
    expect(tested.warnings).toEqual([])
    const body = { ...(CHAT.body as JsonObject), sensitive_data: 1 }
    const said = { id: 'x', choices: [{ message: { content: 'ada@example.com' } }] }
    const answer = await tested.request({ ...CHAT, body }, { body: said })
    expect(answer.upstream?.body).toEqual(CHAT.body)
    expect(answer.upstream?.headers['x-custom']).toBe('value')
    expect(answer.body).toMatchObject({
      id: 'x',
      choices: [{ index: 0, message: { content: '[email]', refusal: null } }],
      gateway: { upstream: 'upstream' },
    })
    const refused = await tested.request({ ...CHAT, body: { model: 'm' } })
    expect(refused.body).toMatchObject({ error: { param: 'messages' } })
  })

  it('warn where there are none', async () => {
    expect((await testPlugin(transformers, {})).warnings).toEqual([
      'has neither input nor output, so it changes nothing',
    ])
  })
})
