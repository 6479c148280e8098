import { describe, expect, it } from 'vitest'
import type { Json } from '#core/kit/json.ts'
import { checkOptions } from '#core/testing/options.ts'
import { testPlugin, type TestRequest } from '#core/testing.ts'
import transformers from '#plugins/transformers/transformers.ts'

/** What the upstream sees after the given transformers of requests. */
async function seen(input: Json[], request: TestRequest) {
  const tested = await testPlugin(transformers, { input })
  const { upstream, error } = await tested.request(request)
  if (error) throw error
  return upstream!
}

/** The body that the upstream sees after some rules of modifyBody. */
async function modified(rules: Json[], body: Json, request: TestRequest = {}) {
  return (await seen([{ type: 'modifyBody', rules }], { ...request, body })).body
}

describe('transformers of requests', () => {
  describe('addHeaders', () => {
    it('sets text, numbers and expressions, and removes with null', async () => {
      const headers = {
        'X-Custom': 'value',
        'x-count': 3,
        'X-User': '$consumer.id',
        'x-debug': null,
      }
      const upstream = await seen([{ type: 'addHeaders', headers }], {
        headers: { 'x-debug': '1', 'x-kept': 'yes' },
        consumer: { id: 'ada' },
      })
      expect(upstream.headers).toMatchObject({
        'x-custom': 'value',
        'x-count': '3',
        'x-user': 'ada',
        'x-kept': 'yes',
      })
      expect(upstream.headers).not.toHaveProperty('x-debug')
    })

    it('lets no value end its line', async () => {
      const headers = { 'x-user': '$req.query.user' }
      const upstream = await seen([{ type: 'addHeaders', headers }], {
        path: '/?user=a%0d%0ax-admin:%20yes%E2%82%AC',
      })
      expect(upstream.headers['x-user']).toBe('a??x-admin: yes?')
    })

    it('refuses fields of the framing, and text that no header can carry', async () => {
      const headers = { 'Content-Length': '3', 'x-a': 'a\nb', 'x-b': [1] }
      await expect(
        testPlugin(transformers, { input: [{ type: 'addHeaders', headers }] }),
      ).rejects.toThrow(/Content-Length.*framing[^]*cannot carry[^]*expected text/)
    })

    it('leaves bodies alone: nothing is gathered for it', () => {
      const input = [{ type: 'addHeaders', headers: { 'x-a': '$req.path' } }]
      const { reads, writes } = checkOptions(transformers, { input })
      expect([...reads, ...writes]).toEqual([])
    })
  })

  describe('removeFields', () => {
    it('removes by path, in items of lists too, and leaves the rest', async () => {
      const upstream = await seen(
        [{ type: 'removeFields', fields: ['metadata.internal', 'messages[].name', 'tools.*.x'] }],
        {
          body: {
            metadata: { internal: 1, kept: 2 },
            messages: [{ role: 'user', name: 'ada' }, { role: 'tool' }, 'text'],
            tools: { a: { x: 1, y: 2 } },
          },
        },
      )
      expect(upstream.body).toEqual({
        metadata: { kept: 2 },
        messages: [{ role: 'user' }, { role: 'tool' }, 'text'],
        tools: { a: { y: 2 } },
      })
    })

    it('empties a list by its items', async () => {
      const upstream = await seen([{ type: 'removeFields', fields: ['tags[]'] }], {
        body: { tags: [1, 2], a: 1 },
      })
      expect(upstream.body).toEqual({ tags: [], a: 1 })
    })

    it('takes linear time for a wildcard over a long list', async () => {
      const body = { messages: Array.from({ length: 50_000 }, () => ({ name: 'a', role: 'user' })) }
      const upstream = await seen([{ type: 'removeFields', fields: ['messages[].name'] }], { body })
      expect((upstream.body as { messages: unknown[] }).messages.at(-1)).toEqual({ role: 'user' })
    })

    it('sends the very bytes where there was nothing to remove', async () => {
      const tested = await testPlugin(transformers, {
        input: [{ type: 'removeFields', fields: ['secret.value', 'list[].x'] }],
      })
      let bytes: unknown
      await tested.request({ body: { a: 1, list: [{ y: 1 }] } }, ({ isReplaced }) => {
        bytes = isReplaced
        return {}
      })
      expect(bytes).toBe(false)
    })

    it('refuses a path that reaches a prototype', async () => {
      const input = [{ type: 'removeFields', fields: ['a.__proto__.b', 'a..b'] }]
      await expect(testPlugin(transformers, { input })).rejects.toThrow(
        /fields\[0\].*__proto__ is not allowed[^]*fields\[1\].*empty segment/,
      )
    })
  })

  describe('modifyBody', () => {
    it('sets by expression', async () => {
      const value = { min: [{ default: ['$req.body.max_tokens', 1024] }, 4096] }
      const rules = [{ set: 'max_tokens', value }]
      expect(await modified(rules, { model: 'm' })).toEqual({ model: 'm', max_tokens: 1024 })
      expect(await modified(rules, { max_tokens: 9_000 })).toEqual({ max_tokens: 4096 })
    })

    it('sets a literal map as it stands', async () => {
      const literal = { type: 'json_object', var: '$not.an.expression' }
      expect(await modified([{ set: 'response_format', literal }], {})).toEqual({
        response_format: literal,
      })
    })

    it('makes the maps on the way, and never changes a scalar into one', async () => {
      const rules = [{ set: 'metadata.team.name', value: 'a' }]
      expect(await modified(rules, {})).toEqual({ metadata: { team: { name: 'a' } } })
      expect(await modified(rules, { metadata: 'text' })).toEqual({ metadata: 'text' })
    })

    it('sets in each item of a list', async () => {
      const rules = [{ set: 'messages[].seen', value: true }]
      expect(await modified(rules, { messages: [{ a: 1 }, {}] })).toEqual({
        messages: [{ a: 1, seen: true }, { seen: true }],
      })
    })

    it('removes and renames', async () => {
      const rules = [
        { remove: 'user' },
        { rename: 'max_tokens', to: 'limits.output' },
        { rename: 'absent', to: 'present' },
      ]
      expect(await modified(rules, { user: 'ada', max_tokens: 5, a: 1 })).toEqual({
        a: 1,
        limits: { output: 5 },
      })
    })

    it('shows each rule what the one before it left', async () => {
      const rules = [
        { rename: 'max_tokens', to: 'n' },
        { set: 'twice', value: { mul: ['$req.body.n', 2] } },
        { set: 'gone', value: { default: ['$req.body.max_tokens', 'yes'] } },
      ]
      expect(await modified(rules, { max_tokens: 4 })).toEqual({ n: 4, twice: 8, gone: 'yes' })
    })

    it('does a rule only when its condition is true', async () => {
      const rules = [{ set: 'tier', value: 'free', when: { eq: ['$consumer.plan', 'free'] } }]
      expect(await modified(rules, {}, { consumer: { id: 'a', plan: 'free' } })).toEqual({
        tier: 'free',
      })
      expect(await modified(rules, {}, { consumer: { id: 'a', plan: 'paid' } })).toEqual({})
    })

    it('passes by a body that is no JSON', async () => {
      expect(await modified([{ set: 'a', value: 1 }], 'plain text')).toBe('plain text')
    })

    it('keeps a key that is called like a part of a prototype', async () => {
      const body = JSON.parse('{"list":[{"__proto__":{"x":1},"constructor":2}]}') as Json
      expect(JSON.stringify(await modified([{ set: 'list[].a', value: 1 }], body))).toBe(
        '{"list":[{"__proto__":{"x":1},"constructor":2,"a":1}]}',
      )
    })

    it.each([
      [{}, 'expected one of set, remove and rename, has none'],
      [{ set: 'a', remove: 'b' }, 'expected one of set, remove and rename, has set and remove'],
      [{ set: 'a' }, 'expected value or literal beside set'],
      [{ set: 'a', value: 1, literal: 1 }, 'expected value or literal beside set'],
      [{ remove: 'a', value: 1 }, 'rules[0].value: belongs to set'],
      [{ rename: 'a' }, 'rename and to, which belong together'],
      [{ rename: 'a[].b', to: 'c' }, 'expected a path without wildcards, got "a[].b"'],
    ])('refuses the rule %j', async (rule, message) => {
      const input = [{ type: 'modifyBody', rules: [rule] }]
      await expect(testPlugin(transformers, { input })).rejects.toThrow(message)
    })
  })

  it('does its work in the order in which it is written', async () => {
    const upstream = await seen(
      [
        { type: 'modifyBody', rules: [{ set: 'a', value: 1 }] },
        { type: 'removeFields', fields: ['a'] },
        { type: 'modifyBody', rules: [{ set: 'b', value: { default: ['$req.body.a', 'none'] } }] },
        { type: 'addHeaders', headers: { 'x-b': '$req.body.b' } },
      ],
      { body: {} },
    )
    expect(upstream.body).toEqual({ b: 'none' })
    expect(upstream.headers['x-b']).toBe('none')
  })

  it('refuses an unknown type with the ones there are', async () => {
    await expect(testPlugin(transformers, { input: [{ type: 'addHeader' }] })).rejects.toThrow(
      /input\[0\].type: expected one of "validateSchema".*got "addHeader"\n {2}hint: did you mean addHeaders/,
    )
  })
})
