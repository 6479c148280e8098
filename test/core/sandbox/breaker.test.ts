import { expect, it } from 'vitest'
import { Breaker } from '#core/sandbox/breaker.ts'

function made(failures = 3) {
  const clock = { now: 0 }
  const switched: boolean[] = []
  const limits = { failures, pauseMs: 1_000 }
  const breaker = new Breaker(
    limits,
    () => clock.now,
    (isOff) => switched.push(isOff),
  )
  const fail = (times: number) => {
    for (let n = 0; n < times; n++) breaker.failed()
  }
  return { breaker, clock, switched, fail }
}

it('is switched off by so many failures in a row, and no fewer', () => {
  const { breaker, switched, fail } = made()
  fail(2)
  breaker.succeeded()
  fail(2)
  expect(breaker.admits()).toBe(true)
  fail(1)
  expect(breaker.admits()).toBe(false)
  expect(switched).toEqual([true])
})

it('is switched off sooner by failures that weigh more', () => {
  const { breaker } = made(5)
  breaker.failed(5)
  expect(breaker.admits()).toBe(false)
})

it('lets one call through after the pause, which decides', () => {
  const { breaker, clock, switched, fail } = made()
  fail(3)
  clock.now = 999
  expect(breaker.admits()).toBe(false)
  clock.now = 1_000
  expect([breaker.admits(), breaker.admits()]).toEqual([true, false])
  breaker.failed()
  expect(breaker.admits()).toBe(false)
  clock.now = 2_000
  expect(breaker.admits()).toBe(true)
  breaker.succeeded()
  expect([breaker.admits(), breaker.isOff, breaker.failures]).toEqual([true, false, 0])
  expect(switched).toEqual([true, false])
})

it('is not kept off longer by calls from before', () => {
  const { breaker, clock, switched, fail } = made()
  fail(3)
  clock.now = 900
  fail(5)
  clock.now = 1_000
  expect(breaker.admits()).toBe(true)
  expect(switched).toEqual([true])
})
