import { describe, expect, it, vi } from 'vitest'
import { GatewayError } from '#core/errors.ts'
import { Secret } from '#core/kit/secret.ts'
import { type Token, TokenSource } from '#core/upstream/auth/token-source.ts'

/** A source over tokens that the test hands out one by one. */
function source() {
  const waiting: PromiseWithResolvers<Token>[] = []
  const warnings: string[] = []
  const clock = { now: 1_000_000 }
  const fetch = vi.fn(() => {
    const one = Promise.withResolvers<Token>()
    waiting.push(one)
    return one.promise
  })
  const tokens = new TokenSource(fetch, {
    now: () => clock.now,
    warn: (message) => warnings.push(message),
  })
  const give = (value: string, seconds: number) =>
    waiting.shift()!.resolve({ value: new Secret(value), expiresAt: clock.now + seconds * 1_000 })
  const fail = (error: Error) => waiting.shift()!.reject(error)
  return { tokens, clock, fetch, give, fail, warnings }
}

const value = (token: Token) => token.value.reveal()

describe('a token', () => {
  it('is fetched once, however many ask at the same time', async () => {
    const { fetch, give, tokens } = source()
    const all = Array.from({ length: 50 }, async () => tokens.get())
    give('a', 3600)
    expect((await Promise.all(all)).map(value)).toEqual(Array.from({ length: 50 }, () => 'a'))
    expect(fetch).toHaveBeenCalledTimes(1)
    expect(tokens.get()).not.toBeInstanceOf(Promise)
  })

  it('is renewed before it expires, while it is still used', async () => {
    const { clock, fetch, give, tokens } = source()
    const first = tokens.get()
    give('a', 3600)
    await first
    clock.now += 3600_000 - 61_000
    expect(value(tokens.get() as Token)).toBe('a')
    expect(fetch).toHaveBeenCalledTimes(1)
    clock.now += 2_000
    expect(value(tokens.get() as Token)).toBe('a')
    expect(value(tokens.get() as Token)).toBe('a')
    expect(fetch).toHaveBeenCalledTimes(2)
    give('b', 3600)
    await vi.waitFor(() => expect(value(tokens.get() as Token)).toBe('b'))
  })

  it('is used on where it could not be renewed early, and that is told', async () => {
    const { clock, fail, fetch, give, tokens, warnings } = source()
    const first = tokens.get()
    give('a', 600)
    await first
    clock.now += 550_000
    void tokens.get()
    fail(new Error('no network'))
    await vi.waitFor(() => expect(warnings).toHaveLength(1))
    expect(value(tokens.get() as Token)).toBe('a')
    // The endpoint is left alone for a moment, then asked again.
    expect(fetch).toHaveBeenCalledTimes(2)
    clock.now += 1_500
    void tokens.get()
    expect(fetch).toHaveBeenCalledTimes(3)
    give('b', 600)
  })

  it('is waited for once it has expired', async () => {
    const { clock, give, tokens } = source()
    const first = tokens.get()
    give('a', 30)
    await first
    clock.now += 29_000
    const second = tokens.get()
    expect(second).toBeInstanceOf(Promise)
    give('b', 30)
    expect(value(await second)).toBe('b')
  })

  it('that was refused is replaced once, however many were refused with it', async () => {
    const { clock, fetch, give, tokens } = source()
    const first = tokens.get()
    give('a', 3600)
    const token = await first
    clock.now += 10_000
    expect(tokens.refuse(token)).toBe(true)
    const renewed = [async () => tokens.get(), async () => tokens.get()].map((get) => get())
    give('b', 3600)
    expect((await Promise.all(renewed)).map(value)).toEqual(['b', 'b'])
    // A second refusal of the same old token asks for nothing.
    expect(tokens.refuse(token)).toBe(true)
    expect(value(tokens.get() as Token)).toBe('b')
    expect(fetch).toHaveBeenCalledTimes(2)
  })

  it('that is fresh is not replaced: another would fare no better', async () => {
    const { give, tokens } = source()
    const first = tokens.get()
    give('a', 3600)
    expect(tokens.refuse(await first)).toBe(false)
  })
})

describe('a failure', () => {
  it('is told to all who wait, and holds for a second', async () => {
    const { clock, fail, fetch, give, tokens } = source()
    const get = async () => tokens.get()
    const all = Promise.allSettled([get(), get()])
    fail(new GatewayError('UPSTREAM_TIMEOUT', 'no answer within 10s'))
    for (const one of await all) {
      expect(one).toMatchObject({
        reason: {
          code: 'UPSTREAM_CREDENTIALS',
          message: 'the token endpoint cannot be asked: no answer within 10s',
        },
      })
    }
    await expect(tokens.get()).rejects.toMatchObject({ code: 'UPSTREAM_CREDENTIALS' })
    expect(fetch).toHaveBeenCalledTimes(1)
    clock.now += 1_000
    const next = tokens.get()
    give('a', 60)
    expect(value(await next)).toBe('a')
  })

  it('that nobody foresaw tells nothing of itself', async () => {
    const { fail, tokens } = source()
    const token = tokens.get()
    fail(new Error('secret=hunter2'))
    await expect(token).rejects.toMatchObject({
      code: 'UPSTREAM_CREDENTIALS',
      message: 'the token could not be fetched',
    })
  })
})
