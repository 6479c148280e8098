import { describe } from 'vitest'
import type { Store } from '#core/store/store.ts'
import { testAtOnce } from './at-once.ts'
import { testChannels } from './channels.ts'
import { testCounters } from './counters.ts'
import { testKeyValue } from './key-value.ts'
import { testLedger } from './ledger.ts'
import { testAgainstOracle } from './oracle.ts'
import { testWindows } from './windows.ts'

/** A clock that only the test moves. */
export class Clock {
  #now: number

  constructor(now = Date.UTC(2026, 0, 1)) {
    this.#now = now
  }

  readonly now = (): number => this.#now

  advance(ms: number): void {
    this.#now += ms
  }
}

/** A fresh, empty store for one test, which the backend's test file closes. */
export interface Opened {
  readonly store: Store
  /** Absent where the server's clock counts; tests that need to move it are skipped. */
  readonly clock?: Clock
  /** Closes the store and opens it again; absent where nothing survives that. */
  readonly reopen?: () => Promise<Store>
  /** Opens another store of the same URL, as another process would; absent where nobody shares it. */
  readonly another?: () => Promise<Store>
}

/** Gives a test its own store. */
export type Open = () => Promise<Opened>

/** What every backend promises. `rounds` is how many random histories are compared with the oracle. */
export function testStore(name: string, open: Open, { rounds }: { rounds: number }): void {
  describe(`a store behind ${name}`, () => {
    testKeyValue(open)
    testCounters(open)
    testWindows(open)
    testLedger(open)
    testChannels(open)
    testAgainstOracle(open, rounds)
    testAtOnce(open, rounds)
  })
}
