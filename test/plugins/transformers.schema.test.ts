import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import type { Json } from '#core/kit/json.ts'
import { testPlugin, type TestRequest } from '#core/testing.ts'
import { compileSchema } from '#plugins/transformers/body-schema.ts'
import transformers from '#plugins/transformers/transformers.ts'

const RECORDINGS = new URL('../../../shared/recordings/conversations/', import.meta.url)

/** Which built-in schema a recorded dialect belongs to. */
const SCHEMAS: Readonly<Record<string, string>> = {
  'chat-completions': 'openai-chat',
  responses: 'openai-responses',
  anthropic: 'anthropic',
  'bedrock-anthropic': 'anthropic',
  'vertex-anthropic': 'anthropic',
  google: 'gemini',
  'vertex-google': 'gemini',
}

async function refusal(schema: Json, request: TestRequest) {
  const input = [{ type: 'validateSchema', schema }]
  const tested = await testPlugin(transformers, { input })
  const { error, attempts } = await tested.request(request)
  expect(attempts).toHaveLength(error === undefined ? 1 : 0)
  return error && { code: error.code, param: error.param, message: error.message }
}

describe('validateSchema', () => {
  it('passes a body that fits, and refuses one that does not with the field at fault', async () => {
    const good = { model: 'gpt-4o', messages: [{ role: 'user', content: 'hi' }] }
    expect(await refusal('openai-chat', { body: good })).toBeUndefined()
    const bad = { model: 'gpt-4o', messages: [{ role: 'usr', content: 'hi' }] }
    expect(await refusal('openai-chat', { body: bad })).toEqual({
      code: 'SCHEMA_INVALID',
      param: 'messages[0].role',
      message: expect.stringContaining('messages[0].role is not one of system, developer, user'),
    })
  })

  it.each<[Json, string]>([
    [{ messages: [{ role: 'user' }] }, 'model is missing'],
    [{ model: 'm' }, 'messages is missing'],
    [{ model: 'm', messages: 'hi' }, 'messages is not of type array'],
    [{ model: 'm', messages: [] }, 'messages must NOT have fewer than 1 items'],
    [{ model: 'm', messages: [{ role: 'user' }], temperature: 3 }, 'temperature must be <= 2'],
    [
      { model: 'm', messages: [{ role: 'user', content: [{}] }] },
      'messages[0].content[0].type is missing',
    ],
    [[], 'the body is not of type object'],
  ])('refuses %j', async (body, message) => {
    expect((await refusal('openai-chat', { body }))?.message).toBe(message)
  })

  it('refuses a body that is missing or no JSON, but not a request that has none by nature', async () => {
    const message = 'expected a JSON body'
    expect((await refusal('anthropic', { method: 'POST' }))?.message).toBe(message)
    expect((await refusal('anthropic', { body: 'text' }))?.message).toBe(message)
    expect(await refusal('anthropic', { method: 'GET', path: '/v1/models' })).toBeUndefined()
  })

  it("takes the operator's own schema, inline", async () => {
    const schema = {
      type: 'object',
      required: ['order'],
      additionalProperties: false,
      properties: { order: { type: 'string', pattern: '^[A-Z]{2}\\d+$' } },
    }
    expect(await refusal(schema, { body: { order: 'AB1' } })).toBeUndefined()
    expect((await refusal(schema, { body: { order: 'x' } }))?.param).toBe('order')
    expect((await refusal(schema, { body: { order: 'AB1', a: 1 } }))?.message).toBe(
      'a is not a known field',
    )
    // Inherited names are not there.
    const inherited = { type: 'object', required: ['toString'] }
    expect((await refusal(inherited, { body: {} }))?.message).toBe('toString is missing')
  })

  it('takes one from a file', async () => {
    const asked: string[] = []
    const input = [{ type: 'validateSchema', schema: 'file:./order.schema.json' }]
    const load = (file: string) => (asked.push(file), { default: { type: 'array' } })
    const tested = await testPlugin(transformers, { input }, { load })
    expect((await tested.request({ body: {} })).error?.message).toBe(
      'the body is not of type array',
    )
    expect(asked).toEqual(['./order.schema.json'])
  })

  it('takes linear time for a hostile pattern', async () => {
    const schema = { type: 'object', properties: { a: { type: 'string', pattern: '^(a+)+$' } } }
    const started = performance.now()
    expect((await refusal(schema, { body: { a: `${'a'.repeat(5_000)}!` } }))?.param).toBe('a')
    expect(performance.now() - started).toBeLessThan(2_000)
  })

  it.each<[Json, string]>([
    ['openai-chatt', 'expected one of openai-chat, openai-responses, anthropic, gemini, file:PATH'],
    [{ type: 'strin' }, 'input[0].schema: schema is invalid'],
    [{ type: 'string', pattern: '(?=x)' }, 'input[0].schema:'],
  ])('finds a schema that is none at load: %j', async (schema, message) => {
    const input = [{ type: 'validateSchema', schema }]
    await expect(testPlugin(transformers, { input })).rejects.toThrow(message)
  })

  describe.skipIf(!existsSync(RECORDINGS))('built-in schemas', () => {
    for (const [dialect, name] of Object.entries(SCHEMAS)) {
      it(`accept every recorded request of ${dialect}`, () => {
        const check = compileSchema(name, 'input').whole
        const requests = recorded(dialect)
        expect(requests.length).toBeGreaterThan(0)
        for (const [file, body] of requests) expect([file, check(body)]).toEqual([file, undefined])
      })
    }

    for (const [dialect, name] of Object.entries(SCHEMAS)) {
      it(`accept every recorded answer of ${dialect}, whole and in events`, () => {
        const { whole, event } = compileSchema(name, 'output')
        const answers = recorded(dialect, ['response.json', 'followup-response.json'])
        const streams = recorded(dialect, ['response-streaming.json'])
        expect(answers.length + streams.length).toBeGreaterThan(0)
        for (const [file, body] of answers) expect([file, whole(body)]).toEqual([file, undefined])
        for (const [file, events] of streams) {
          for (const one of events as Json[]) expect([file, event(one)]).toEqual([file, undefined])
        }
      })
    }

    it("refuse each other's requests where the dialects differ", () => {
      const anthropic = compileSchema('anthropic', 'input').whole
      const gemini = compileSchema('gemini', 'input').whole
      for (const [, body] of recorded('google')) expect(anthropic(body)).toBeDefined()
      for (const [, body] of recorded('chat-completions')) expect(gemini(body)).toBeDefined()
    })
  })

  it.each(['openai-chat', 'openai-responses', 'anthropic', 'gemini'])(
    'refuses nonsense as %s',
    (name) => {
      const check = compileSchema(name, 'input').whole
      for (const body of [null, 1, 'text', [], {}, { model: 1 }, { messages: {} }] as Json[]) {
        expect(check(body)?.code).toBe('SCHEMA_INVALID')
      }
    },
  )
})

function recorded(
  dialect: string,
  files: readonly string[] = ['request.json', 'followup-request.json'],
): [file: string, body: Json][] {
  return readdirSync(RECORDINGS).flatMap((name) =>
    files
      .map((file) => new URL(`${name}/${dialect}/${file}`, RECORDINGS))
      .filter((file) => existsSync(file))
      .map((file): [string, Json] => [
        file.pathname,
        JSON.parse(readFileSync(file, 'utf8')) as Json,
      ]),
  )
}
