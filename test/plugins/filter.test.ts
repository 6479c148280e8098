import { describe, expect, it } from 'vitest'
import type { Json } from '#core/kit/json.ts'
import { checkOptions } from '#core/testing/options.ts'
import { testPlugin } from '#core/testing.ts'
import filter from '#plugins/filter/filter.ts'

const CHAT = { path: '/v1/chat/completions', body: { model: 'gpt-4o', messages: [] } }

describe('filter', () => {
  it('refuses what deny is true for, before the upstream hears of it', async () => {
    const tested = await testPlugin(filter, { deny: { eq: ['$req.body.model', 'gpt-4o'] } })
    const answer = await tested.request(CHAT)
    expect(answer.status).toBe(403)
    expect(answer.error?.code).toBe('DENIED')
    expect(answer.attempts).toEqual([])
  })

  it('passes what deny is not true for, untouched', async () => {
    const tested = await testPlugin(filter, { deny: { eq: ['$req.body.model', 'o3'] } })
    const answer = await tested.request(CHAT, { body: { ok: true } })
    expect(answer.body).toEqual({ ok: true })
    expect(answer.upstream?.body).toEqual(CHAT.body)
  })

  it('refuses what allow is not true for', async () => {
    const tested = await testPlugin(filter, { allow: { in: ['$req.body.model', ['gpt-4o-mini']] } })
    expect((await tested.request(CHAT)).status).toBe(403)
    const small = { ...CHAT, body: { model: 'gpt-4o-mini' } }
    expect((await tested.request(small)).status).toBe(200)
  })

  it('asks deny first where both are given', async () => {
    const tested = await testPlugin(filter, {
      deny: { eq: ['$consumer.plan', 'blocked'] },
      allow: { startsWith: ['$req.path', '/v1/'] },
    })
    const blocked = { id: 'a', plan: 'blocked' }
    expect((await tested.request({ ...CHAT, consumer: blocked })).status).toBe(403)
    expect((await tested.request({ ...CHAT, consumer: { id: 'b' } })).status).toBe(200)
    expect((await tested.request({ path: '/other' })).status).toBe(403)
  })

  it("says the operator's words with the operator's status, in the client's dialect", async () => {
    const tested = await testPlugin(filter, {
      deny: true,
      status: 451,
      message: 'not in your country',
    })
    const openai = await tested.request(CHAT)
    expect(openai.status).toBe(451)
    expect(openai.body).toMatchObject({ error: { message: 'not in your country' } })
    const anthropic = await tested.request({
      path: '/v1/messages',
      body: { model: 'claude', messages: [], max_tokens: 1 },
    })
    expect(anthropic.body).toMatchObject({
      type: 'error',
      error: { message: 'not in your country' },
    })
  })

  it('reads the body only where an expression does', async () => {
    const tested = await testPlugin(filter, { deny: { eq: ['$req.method', 'DELETE'] } })
    // Not JSON: nobody parses it, so nobody minds.
    const answer = await tested.request({ path: '/x', body: '{broken', method: 'POST' })
    expect(answer.upstream?.body).toBe('{broken')
  })

  it('knows when nothing gets past it', () => {
    const ends = (options: Json) => filter.ends!(checkOptions(filter, options).options)
    expect(ends({ deny: true })).toBe(true)
    expect(ends({ allow: { gt: [1, 2] } })).toBe(true)
    expect(ends({ deny: false })).toBe(false)
    expect(ends({ deny: '$req.path' })).toBe(false)
  })

  it('wants deny or allow', async () => {
    await expect(testPlugin(filter, {})).rejects.toThrow('has neither deny nor allow')
  })

  it('warns of an expression that refuses nothing', async () => {
    const tested = await testPlugin(filter, { deny: { eq: [1, 2] } })
    expect(tested.warnings).toEqual(['deny: is never true, so it refuses nothing'])
  })
})
