import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { createOverload, type LoadSample, type Overload } from '#core/kernel/overload.ts'

const LIMITS = { eventLoopDelayMs: 100, heapShare: 0.9 }

describe('createOverload', () => {
  let sample: LoadSample
  let overload: Overload
  let isClosed: boolean

  beforeEach(() => {
    vi.useFakeTimers()
    sample = { delayMs: 0, heapShare: 0 }
    isClosed = false
    overload = createOverload(LIMITS, { read: () => sample, close: () => (isClosed = true) })
  })

  afterEach(() => {
    overload.close()
    vi.useRealTimers()
  })

  function look(delayMs: number, times: number, heapShare = 0.1): string {
    sample = { delayMs, heapShare }
    vi.advanceTimersByTime(250 * times)
    return overload.level()
  }

  it('is calm at first and under ordinary load', () => {
    expect(overload.level()).toBe('ok')
    expect(look(80, 20)).toBe('ok')
  })

  it('refuses nobody for one long pause', () => {
    expect(look(5_000, 1)).toBe('ok')
    expect(look(10, 1)).toBe('ok')
    expect(look(5_000, 1)).toBe('ok')
  })

  it('sheds when the event loop stays late', () => {
    expect(look(101, 2)).toBe('shedding')
  })

  it('sheds when memory stays full', () => {
    expect(look(0, 2, 0.91)).toBe('shedding')
  })

  it('feels pressed before it sheds', () => {
    expect(look(90, 2)).toBe('pressed')
    expect(look(101, 1)).toBe('pressed')
    expect(look(101, 1)).toBe('shedding')
  })

  it('takes new work again only when the load has fallen well below the limit for a second', () => {
    look(200, 2)
    expect(look(95, 20)).toBe('shedding')
    expect(look(70, 3)).toBe('shedding')
    expect(look(95, 1)).toBe('shedding')
    expect(look(70, 3)).toBe('shedding')
    expect(look(70, 1)).toBe('ok')
  })

  it('comes down one level at a time', () => {
    look(0, 2, 1)
    expect(look(79, 4)).toBe('ok')
    look(200, 2)
    look(79, 3)
    expect(look(88, 8)).toBe('shedding')
  })

  it('follows new limits', () => {
    overload.update({ eventLoopDelayMs: 1_000, heapShare: 0.9 })
    expect(look(200, 8)).toBe('ok')
    expect(overload.sample()).toEqual({ delayMs: 200, heapShare: 0.1 })
  })

  it('looks no more when it is closed', () => {
    overload.close()
    expect(look(200, 8)).toBe('ok')
    expect(isClosed).toBe(true)
  })
})

describe('the process itself', () => {
  it('is seen to be late when it blocks the event loop', async () => {
    const overload = createOverload({ eventLoopDelayMs: 50, heapShare: 1 })
    const block = setInterval(() => {
      const end = performance.now() + 150
      while (performance.now() < end);
    }, 10)
    await expect.poll(() => overload.level(), { timeout: 10_000 }).toBe('shedding')
    expect(overload.sample().delayMs).toBeGreaterThan(50)
    expect(overload.sample().heapShare).toBeGreaterThan(0)
    clearInterval(block)
    await expect.poll(() => overload.sample().delayMs, { timeout: 10_000 }).toBeLessThan(50)
    overload.close()
  })
})
