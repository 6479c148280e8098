import OpenAI from 'openai'
import { describe, expect, it, vi } from 'vitest'
import type { Json, JsonObject } from '#core/kit/json.ts'
import { parseTime } from '#core/kit/time.ts'
import { StoreUnavailable } from '#core/sdk.ts'
import { checkOptions } from '#core/testing/options.ts'
import { type TestedPlugin, testPlugin } from '#core/testing.ts'
import auth from '#plugins/auth/auth.ts'
import { startTestGateway } from '../support/gateway.ts'

const KEY = 'a-key-of-ada-0123456789'
const OTHER = 'a-key-of-bob-0123456789'
const LAPTOP = 'a-second-key-of-ada-0123'
const STATIC = [
  { id: 'ada', key: KEY, user: 'ada', roles: ['user'] },
  { id: 'laptop', key: LAPTOP, user: 'ada', roles: ['user'] },
  { id: 'bob', key: OTHER, user: 'bob', roles: ['pro'] },
]
const NOON = parseTime('2026-01-31T12:00:00Z')!
const usage = (tokens: number) => ({
  body: { usage: { prompt_tokens: 10, completion_tokens: tokens - 10, total_tokens: tokens } },
})

function start(quotas: JsonObject, more: JsonObject = {}) {
  const options = { apiKeys: { static: STATIC }, quotas, ...more } as Json
  return testPlugin(auth, options, { now: NOON })
}

function chat(tested: TestedPlugin, { key = KEY, maxTokens = 100, used = 50 } = {}) {
  const body = { model: 'gpt-4o', max_tokens: maxTokens, messages: [] }
  const request = { path: '/v1/chat/completions', body, headers: { 'x-api-key': key } }
  return tested.request(request, usage(used))
}

async function usedBy(tested: TestedPlugin, user: string): Promise<JsonObject> {
  const { body } = await tested.admin('GET', `/quotas/${user}`)
  return (body as { used: JsonObject }).used
}

describe('a quota', () => {
  it('counts requests of a user, whatever key they come with, and of nobody else', async () => {
    const tested = await start({ perUser: { day: { requests: 2 } } })
    expect((await chat(tested)).status).toBe(200)
    expect((await chat(tested, { key: LAPTOP })).status).toBe(200)
    const refused = await chat(tested)
    expect(refused.status).toBe(429)
    expect(refused.error?.code).toBe('QUOTA_EXCEEDED')
    expect(refused.attempts).toEqual([])
    expect(refused.headers).toMatchObject({ 'retry-after': '43200', 'x-should-retry': 'false' })
    expect(refused.body).toMatchObject({
      error: {
        code: 'insufficient_quota',
        message:
          'the quota of 2 requests per day has no room for this request; it begins anew in 12h',
      },
    })
    expect((await chat(tested, { key: OTHER })).status).toBe(200)
    expect(tested.emitted).toContainEqual({
      name: 'rateLimit',
      data: expect.objectContaining({
        limit: 'quota',
        unit: 'requests',
        consumer: 'ada',
      }) as object,
    })
  })

  it('begins anew with the day and with the month of UTC', async () => {
    const tested = await start({ perUser: { day: { requests: 1 }, month: { requests: 3 } } })
    expect((await chat(tested)).status).toBe(200)
    expect((await chat(tested)).status).toBe(429)
    await tested.clock.advance(12 * 3_600_000)
    // The first of February: another day and another month.
    expect((await chat(tested)).status).toBe(200)
    for (const status of [200, 200, 429]) {
      await tested.clock.advance(24 * 3_600_000)
      expect((await chat(tested)).status).toBe(status)
    }
    const refused = await chat(tested)
    expect(refused.headers['retry-after']).toBe(String(25 * 86_400))
    expect(refused.error?.message).toContain('3 requests per month')
    await tested.clock.advance(25 * 86_400_000)
    expect((await chat(tested)).status).toBe(200)
    expect(await usedBy(tested, 'ada')).toMatchObject({ month: { requests: 1 } })
  })

  it('holds what a request may take, and settles with what it did', async () => {
    const tested = await start({ perUser: { day: { tokens: 1_000 } } })
    for (let at = 0; at < 5; at++) expect((await chat(tested, { used: 150 })).status).toBe(200)
    expect(await usedBy(tested, 'ada')).toMatchObject({ day: { tokens: 750 } })
    // About 90 for the prompt and 300 at most for the answer: no room, though it might take less.
    const refused = await chat(tested, { maxTokens: 300 })
    expect(refused.status).toBe(429)
    expect(refused.error?.message).toContain('1000 tokens per day')
    expect((await chat(tested, { maxTokens: 100 })).status).toBe(200)
    const never = await chat(tested, { maxTokens: 5_000 })
    expect(never.error?.message).toMatch(
      /this request may take 5\d\d\d tokens, and the quota is 1000/,
    )
    expect(never.headers['retry-after']).toBeUndefined()
  })

  it.each([50, 200])('is never gone over by %i requests at once', async (concurrency) => {
    const tested = await start({ perUser: { day: { requests: 20, tokens: 100_000 } } })
    const many = Array.from({ length: concurrency }, () => chat(tested))
    const passed = (await Promise.all(many)).filter(({ status }) => status === 200)
    expect(passed).toHaveLength(20)
    expect(await usedBy(tested, 'ada')).toMatchObject({ day: { requests: 20, tokens: 1_000 } })
    const narrow = await start({ perUser: { day: { tokens: 2_000 } } })
    const tokens = Array.from({ length: concurrency }, () => chat(narrow, { used: 100 }))
    const through = (await Promise.all(tokens)).filter(({ status }) => status === 200)
    expect(through.length * 100).toBeLessThanOrEqual(2_000)
    expect(through.length).toBeGreaterThan(0)
  })

  it('of tokens does not count what asks for none', async () => {
    const tested = await start({ perUser: { day: { tokens: 0 } } })
    const models = { path: '/v1/models', headers: { 'x-api-key': KEY } }
    expect((await tested.request(models)).status).toBe(200)
    expect((await chat(tested)).status).toBe(429)
  })

  it('gives back what was held for a request that failed', async () => {
    const tested = await start({ perUser: { day: { tokens: 1_000 } } })
    const body = { model: 'gpt-4o', max_tokens: 800, messages: [] }
    const request = { path: '/v1/chat/completions', body, headers: { 'x-api-key': KEY } }
    for (let at = 0; at < 3; at++) {
      expect((await tested.request(request, { status: 500, body: {} })).status).toBe(500)
    }
    expect(await usedBy(tested, 'ada')).toMatchObject({ day: { tokens: 0 } })
  })

  it('is only told of where it is soft: once per day as an event, each time to the client', async () => {
    const tested = await start({ perUser: { day: { requests: 1 } }, enforcement: 'soft' })
    const headers = []
    for (let at = 0; at < 3; at++) headers.push((await chat(tested)).headers)
    expect(headers.map((one) => one['x-sluice-quota-exceeded'])).toEqual([
      undefined,
      'requests/day',
      'requests/day',
    ])
    const told = tested.emitted.filter(({ name }) => name === 'rateLimit')
    expect(told.map(({ data }) => data['refused'])).toEqual([false])
    expect(tested.metric('auth_quota_exceeded_total', { period: 'day', unit: 'requests' })).toBe(2)
    await tested.clock.advance(86_400_000)
    await chat(tested)
    await chat(tested)
    expect(tested.emitted.filter(({ name }) => name === 'rateLimit')).toHaveLength(2)
  })

  it("is the key's, else the role's, else that of all", async () => {
    const rbac = {
      roles: {
        pro: { permissions: ['*'], quota: { day: { requests: 2 } } },
        user: { permissions: ['*'] },
      },
    }
    const tested = await start({ perUser: { day: { requests: 1 } } }, { rbac })
    const wish = { name: 'k', user: 'eve', roles: ['user'], quota: { day: { requests: 3 } } }
    const { body } = await tested.admin('POST', '/keys', wish)
    const keys = { [KEY]: 1, [OTHER]: 2, [(body as { key: string }).key]: 3 }
    for (const [key, limit] of Object.entries(keys)) {
      let passed = 0
      while (passed < 9 && (await chat(tested, { key })).status === 200) passed++
      expect(passed).toBe(limit)
    }
  })

  it('refuses while the store is down, unless it is told to be open', async () => {
    for (const [onStoreError, status] of [
      ['closed', 503],
      ['open', 200],
    ] as const) {
      const tested = await start({ perUser: { day: { requests: 5 } }, onStoreError })
      Object.assign(tested.store.counters, { atOnce: undefined })
      vi.spyOn(tested.store.counters, 'reserve').mockRejectedValue(new StoreUnavailable('gone'))
      expect((await chat(tested)).status).toBe(status)
    }
  })

  it('may bound answers, so that none takes more than was reserved', async () => {
    const tested = await start({
      perUser: { day: { tokens: 9_000 } },
      boundOutput: true,
      maxOutput: 77,
    })
    const body = { model: 'gpt-4o', messages: [] }
    const { upstream } = await tested.request({
      path: '/v1/chat/completions',
      body,
      headers: { 'x-api-key': KEY },
    })
    expect(upstream?.body).toMatchObject({ max_tokens: 77 })
  })

  it('can be looked at and given back by operators', async () => {
    const tested = await start({ perUser: { day: { requests: 1 } } })
    await chat(tested)
    expect(await usedBy(tested, 'ada')).toMatchObject({ day: { requests: 1 } })
    await tested.admin('DELETE', '/quotas/ada')
    expect(tested.emitted.at(-1)).toMatchObject({ name: 'admin', data: { action: 'quotas.reset' } })
    expect((await chat(tested)).status).toBe(200)
  })

  it('costs no promise where there is none', async () => {
    const tested = await start({ perUser: true })
    const exchange = {
      req: { headers: { 'x-api-key': KEY }, query: {}, ip: '192.0.2.1', protocol: 'http' },
      now: tested.clock.now,
    }
    expect(tested.hooks.request!(exchange as never)).not.toBeInstanceOf(Promise)
  })
})

describe('what is read for a quota', () => {
  it.each<[JsonObject, string[]]>([
    [{}, []],
    [{ quotas: { perUser: false } }, []],
    [{ quotas: {} }, ['request.body', 'usage']],
    [{ quotas: { perUser: { day: { requests: 1 } } } }, []],
    [{ quotas: { perUser: { month: { tokens: 1 } } } }, ['request.body', 'usage']],
  ])('%j: %j', (options, parts) => {
    expect([...checkOptions(auth, options).reads]).toEqual(parts)
  })

  it.each<[Json, string]>([
    [5, 'quota: expected { day:'],
    [{ week: { requests: 1 } }, 'quota: expected { day:'],
    [{ day: { money: 1 } }, 'quota: expected { day:'],
    [{ day: { requests: -1 } }, 'quota.day.requests: expected a whole number, got -1'],
    [{ day: { tokens: 1 } }, 'quota: the step does not count tokens'],
  ])('makes no key with %j', async (quota, message) => {
    const tested = await start({ perUser: { day: { requests: 1 } } })
    await expect(tested.admin('POST', '/keys', { name: 'a', quota })).rejects.toThrow(message)
    const without = await testPlugin(auth)
    const wish = { name: 'a', quota: { day: { requests: 1 } } }
    await expect(without.admin('POST', '/keys', wish)).rejects.toThrow('the step has no quotas')
  })

  it('is said of a role whose quota nobody counts', () => {
    const rbac = { roles: { user: { quota: { day: { requests: 1 } } } } }
    expect(checkOptions(auth, { rbac }).warnings).toEqual([
      'rbac.roles.user.quota: is not counted\n  hint: say quotas: {} too',
    ])
  })
})

describe('an SDK', () => {
  it('is told that its quota is used up, and does not try again', async () => {
    const gateway = await startTestGateway(`
upstreams: { demo: { dialect: demo } }
pipelines:
  main:
    - auth:
        apiKeys: { static: [{ id: ada, key: ${KEY} }] }
        quotas: { perUser: { day: { requests: 1 } } }
routes: [{ id: all, pipeline: main, upstream: demo }]
`)
    const client = new OpenAI({ apiKey: KEY, baseURL: `${gateway.url}/v1` })
    const ask = () => client.chat.completions.create({ model: 'demo', messages: [] })
    await ask()
    await expect(ask()).rejects.toMatchObject({ status: 429, code: 'insufficient_quota' })
  })
})
