import { describe, expect, it } from 'vitest'
import { GatewayError, type Json } from '#core/sdk.ts'
import { testPlugin } from '#core/testing.ts'
import rateLimiting from '#plugins/rateLimiting/rateLimiting.ts'

const CHAT = { path: '/v1/chat/completions', body: { model: 'm', messages: [], max_tokens: 100 } }
const ADA = { ...CHAT, consumer: { id: 'ada' } }
const GRACE = { ...CHAT, consumer: { id: 'grace' } }

const MINUTE = { requests: 2, window: '1m' }

/** An answer that says what it used. */
const used = (tokens: number) => ({
  body: { usage: { prompt_tokens: tokens, completion_tokens: 0, total_tokens: tokens } },
})

describe('a limit in requests', () => {
  it('lets the limit through and stops the next', async () => {
    const tested = await testPlugin(rateLimiting, { limits: { perUser: MINUTE } })
    expect((await tested.request(ADA)).status).toBe(200)
    expect((await tested.request(ADA)).status).toBe(200)
    const answer = await tested.request(ADA)
    expect(answer.status).toBe(429)
    expect(answer.error?.code).toBe('RATE_LIMITED')
    expect(answer.attempts).toEqual([])
  })

  it('counts each user, key and address by itself', async () => {
    const limits = { perUser: { requests: 1, window: '1m' } }
    const tested = await testPlugin(rateLimiting, { limits })
    expect((await tested.request(ADA)).status).toBe(200)
    expect((await tested.request(GRACE)).status).toBe(200)
    expect((await tested.request(ADA)).status).toBe(429)
    // One user by two names for the machine that calls.
    const laptop = { ...CHAT, consumer: { id: 'laptop', user: 'grace-h' } }
    const phone = { ...CHAT, consumer: { id: 'phone', user: 'grace-h' } }
    expect((await tested.request(laptop)).status).toBe(200)
    expect((await tested.request(phone)).status).toBe(429)
  })

  it('counts an API key by its id, else the credential that was presented', async () => {
    const limits = { perAPIKey: { requests: 1, window: '1m' } }
    const tested = await testPlugin(rateLimiting, { limits })
    const known = (keyId: string) => ({ ...CHAT, consumer: { id: 'ada', keyId } })
    expect((await tested.request(known('k1'))).status).toBe(200)
    expect((await tested.request(known('k2'))).status).toBe(200)
    expect((await tested.request(known('k1'))).status).toBe(429)
    const presented = (headers: Record<string, string>) => ({ ...CHAT, headers })
    expect((await tested.request(presented({ authorization: 'Bearer sk-1' }))).status).toBe(200)
    expect((await tested.request(presented({ 'x-api-key': 'sk-1' }))).status).toBe(429)
    expect((await tested.request(presented({ 'x-goog-api-key': 'sk-2' }))).status).toBe(200)
    // Neither key nor credential: not counted here.
    for (let count = 0; count < 3; count++) expect((await tested.request(CHAT)).status).toBe(200)
  })

  it('counts the addresses of one IPv6 network as one', async () => {
    const tested = await testPlugin(rateLimiting, {
      limits: { perIP: { requests: 1, window: '1m' } },
    })
    const from = (ip: string) => tested.request({ ...CHAT, ip })
    expect((await from('192.0.2.1')).status).toBe(200)
    expect((await from('192.0.2.2')).status).toBe(200)
    expect((await from('2001:db8:1:2::1')).status).toBe(200)
    expect((await from('2001:db8:1:2:ffff::9')).status).toBe(429)
    expect((await from('2001:db8:1:3::1')).status).toBe(200)
  })

  it('counts by whatever a key says, and not where it says null', async () => {
    const limits = {
      perTeam: { requests: 1, window: '1m', key: { default: ['$consumer.team', null] } },
    }
    const tested = await testPlugin(rateLimiting, { limits })
    const of = (team: string) => tested.request({ ...CHAT, consumer: { id: 'x', team } })
    expect((await of('red')).status).toBe(200)
    expect((await of('blue')).status).toBe(200)
    expect((await of('red')).status).toBe(429)
    expect((await tested.request(ADA)).status).toBe(200)
    expect((await tested.request(ADA)).status).toBe(200)
  })

  it('keeps several windows at once, and takes all or none', async () => {
    const limits = {
      perUser: [
        { requests: 2, window: '1s', strategy: 'fixed-window' },
        { requests: 3, window: '1h', strategy: 'fixed-window' },
      ],
    }
    const tested = await testPlugin(rateLimiting, { limits })
    const statuses = async (count: number) => {
      const seen: number[] = []
      for (let at = 0; at < count; at++) seen.push((await tested.request(ADA)).status)
      return seen
    }
    expect(await statuses(4)).toEqual([200, 200, 429, 429])
    await tested.clock.advance(1_000)
    // The two that were refused have taken nothing of the hour.
    expect(await statuses(2)).toEqual([200, 429])
  })

  it('lets a bucket burst by its allowance, and refills it', async () => {
    const tested = await testPlugin(rateLimiting, {
      limits: { perUser: { requests: 10, window: '10s' } },
      burstAllowance: 1.5,
    })
    for (let count = 0; count < 15; count++) expect((await tested.request(ADA)).status).toBe(200)
    expect((await tested.request(ADA)).status).toBe(429)
    await tested.clock.advance(1_000)
    expect((await tested.request(ADA)).status).toBe(200)
    expect((await tested.request(ADA)).status).toBe(429)
  })
})

describe('a limit in tokens', () => {
  const limits = { perUser: { tokens: 1_000, window: '1h', strategy: 'fixed-window' } }

  it('reserves what a request may take, and settles with what it took', async () => {
    const tested = await testPlugin(rateLimiting, { limits })
    const first = await tested.request(ADA, used(400))
    expect(first.headers['x-ratelimit-limit-tokens']).toBe('1000')
    // The prompt, and 100 tokens of answer that the request bounds.
    expect(Number(first.headers['x-ratelimit-remaining-tokens'])).toBeLessThan(900)
    const second = await tested.request(ADA, used(400))
    expect(Number(second.headers['x-ratelimit-remaining-tokens'])).toBeLessThan(500)
    expect(Number(second.headers['x-ratelimit-remaining-tokens'])).toBeGreaterThan(400)
    // 200 are left.
    expect((await tested.request({ ...ADA, body: { messages: [], max_tokens: 190 } })).status).toBe(
      429,
    )
  })

  it('records what an answer took beyond its reservation, and counts it', async () => {
    const tested = await testPlugin(rateLimiting, { limits })
    await tested.request(ADA, used(5_000))
    expect((await tested.request(ADA)).status).toBe(429)
    expect(
      tested.metric('rate_limit_overrun_tokens_total', { step: 'rateLimiting' }),
    ).toBeGreaterThan(4_000)
  })

  it('charges no tokens where no upstream has accepted the request', async () => {
    const tested = await testPlugin(rateLimiting, { limits })
    const failures: Parameters<typeof tested.request>[1][] = [
      { error: new GatewayError('UPSTREAM_UNREACHABLE', 'gone') },
      { status: 500, body: { error: {} } },
      { status: 429, body: {} },
    ]
    for (const failure of failures) await tested.request(ADA, failure)
    const after = await tested.request(ADA, used(0))
    expect(Number(after.headers['x-ratelimit-remaining-tokens'])).toBeGreaterThan(800)
  })

  it('counts a stream by what its events say', async () => {
    const tested = await testPlugin(rateLimiting, { limits })
    const usage = { prompt_tokens: 100, completion_tokens: 500, total_tokens: 600 }
    const chunks = [
      { json: { choices: [{ delta: { content: 'hi' }, finish_reason: 'stop' }] } as Json },
      { json: { choices: [], usage } as Json },
      '[DONE]',
    ]
    await tested.request(ADA, { chunks })
    const after = await tested.request(ADA, used(0))
    expect(Number(after.headers['x-ratelimit-remaining-tokens'])).toBeLessThan(400)
  })

  it('tells a request that could never fit not to come back', async () => {
    const tested = await testPlugin(rateLimiting, { limits })
    const answer = await tested.request({ ...ADA, body: { messages: [], max_tokens: 5_000 } })
    expect(answer.status).toBe(429)
    expect(answer.headers['x-should-retry']).toBe('false')
    expect(answer.headers).not.toHaveProperty('retry-after')
    expect(answer.error?.message).toMatch(
      /^this request may take 5\d\d\d tokens, and no more than 1000 ever fit/,
    )
  })

  it('leaves requests alone that take no tokens', async () => {
    const tested = await testPlugin(rateLimiting, { limits })
    const models = await tested.request({ path: '/v1/models', consumer: { id: 'ada' } })
    expect(models.status).toBe(200)
    expect(models.headers).not.toHaveProperty('ratelimit')
  })

  it('sets a bound where it is told to, so that no answer takes more than was reserved', async () => {
    const tested = await testPlugin(rateLimiting, { limits, boundOutput: true, maxOutput: 200 })
    const open = { ...ADA, body: { model: 'gpt-5', messages: [] } }
    expect((await tested.request(open)).upstream?.body).toMatchObject({
      max_completion_tokens: 200,
    })
    const bound = await tested.request(ADA)
    expect(bound.upstream?.isReplaced).toBe(false)
  })
})

describe('levels', () => {
  const limits = { perUser: { requests: 20, window: '1h' } }
  const remaining = async (rateLimit: string, options = {}) => {
    const tested = await testPlugin(rateLimiting, { limits, ...options })
    const { headers } = await tested.request({ ...CHAT, consumer: { id: 'ada', rateLimit } })
    return [
      headers['x-ratelimit-limit-requests'],
      tested.log.flatMap(({ level, message }) => (level === 'warn' ? [message] : [])),
    ]
  }

  it('are three where nothing is said: unlimited, standard and restricted', async () => {
    expect(await remaining('unlimited')).toEqual([undefined, []])
    expect(await remaining('standard')).toEqual(['20', []])
    expect(await remaining('restricted')).toEqual(['2', []])
  })

  it('may be changed and added', async () => {
    const levels = {
      restricted: { factor: 0.5 },
      gold: { limits: { perUser: { requests: 500, window: '1h' } } },
    }
    expect(await remaining('restricted', { levels })).toEqual(['10', []])
    expect(await remaining('gold', { levels })).toEqual(['500', []])
    expect(await remaining('unlimited', { levels })).toEqual([undefined, []])
  })

  it('that nobody knows are the limits as they stand, and are told of once', async () => {
    expect(await remaining('platinum')).toEqual(['20', ['no such rate level']])
  })
})

describe('a config', () => {
  const problems = (options: Json) =>
    testPlugin(rateLimiting, options).then(
      ({ warnings }) => warnings.flatMap((warning) => warning.split('\n')),
      (cause: Error) => cause.message.split('\n').map((line) => line.trim()),
    )

  it.each<[string, Json, string]>([
    [
      'counts nothing',
      { limits: { perUser: { window: '1m' } } },
      'limits.perUser: has neither requests nor tokens',
    ],
    [
      'has no window',
      { limits: { perUser: { requests: 1 } } },
      'limits.perUser: missing option "window"',
    ],
    [
      'has a window of nothing',
      { limits: { perUser: { requests: 1, window: 0 } } },
      'limits.perUser.window: expected at least 1, got 0',
    ],
    [
      'holds less than its limit',
      { limits: { perIP: MINUTE }, burstAllowance: 0.5 },
      'burstAllowance: expected at least 1, got 0.5',
    ],
    [
      'wants a burst where there is none',
      { limits: { perIP: { ...MINUTE, strategy: 'fixed-window', burstAllowance: 2 } } },
      'limits.perIP.burstAllowance: has no meaning for a fixed-window',
    ],
    [
      'counts the same twice',
      { limits: { perIP: [MINUTE, MINUTE] } },
      'limits.perIP[1]: counts over 1m a second time',
    ],
    [
      'has a limit of its own without a key',
      { limits: { perTeam: MINUTE } },
      'limits.perTeam: perTeam has no key',
    ],
    ['misspells one that has none', { limits: { perUsr: MINUTE } }, 'hint: did you mean perUser?'],
    [
      'gives a key to one that has its own',
      { limits: { perUser: { ...MINUTE, key: '$req.host' } } },
      'limits.perUser.key: perUser has its own',
    ],
    [
      'is faulty in a level',
      { limits: {}, levels: { gold: { limits: { perIP: { window: 1 } } } } },
      'levels.gold.limits.perIP: has neither requests nor tokens',
    ],
    ['limits nothing', { limits: {} }, 'limits: is empty, so it limits nothing'],
    [
      'bounds answers that it does not count',
      { limits: { perIP: MINUTE }, boundOutput: true },
      'boundOutput: does nothing, since no limit counts tokens',
    ],
    [
      'reserves more than ever fits',
      { limits: { perIP: { tokens: 1_000, window: '1m' } } },
      'limits.perIP.tokens: no request without a bound of its own ever fits: maxOutput reserves 4096 tokens for its answer',
    ],
  ])('that %s is told of it', async (_, options, problem) => {
    expect(await problems(options)).toContain(problem)
  })
})
