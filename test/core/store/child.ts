import { writeSync } from 'node:fs'
import { openStore } from '#core/store/open.ts'
import type { Store } from '#core/store/store.ts'

/** What a child process does with the store that it shares with the test; it tells each acknowledged step in a line. */
const WORK: Record<string, (store: Store, name: string) => Promise<void>> = {
  /** Takes one after the other until it is refused. */
  async take({ counters }, name) {
    for (let count = 0; ; count++) {
      const group = Array.from({ length: 5 }, (_, at) =>
        counters.reserve(`${name}/${count}/${at}`, [{ limit: SHARED, amount: 3 }], 3_600_000),
      )
      const answers = await Promise.all(group)
      tell(answers.filter(({ ok }) => ok).length)
      if (answers.some(({ ok }) => !ok)) return
    }
  },

  /** Appends rows, several at a time, until it is killed. */
  async append({ ledger }, name) {
    for (;;) {
      const group = [0, 1, 2].map(async () => tell(await ledger.append('usage', { name })))
      await Promise.all(group)
    }
  },

  /** Appends a row, reserves 10 and settles 1, until it is killed. */
  async all({ counters, ledger }, name) {
    for (let count = 0; ; count++) {
      tell(await ledger.append('usage', { name }))
      await counters.reserve(`${name}/${count}`, [{ limit: SHARED, amount: 10 }], 3_600_000)
      tell('reserved')
      await counters.settle(`${name}/${count}`, [1])
      tell('settled')
    }
  },
}

/** The limit that all processes share. */
const SHARED = {
  key: 'shared',
  algorithm: 'total',
  limit: Number(process.env.LIMIT ?? 1e12),
} as const

function tell(step: string | number): void {
  // Not process.stdout, which may keep what it is given in this process: it would be killed with it, untold.
  writeSync(1, `${step}\n`)
}

const [, , url = '', work = '', name = ''] = process.argv
const store = await openStore(url, { now: Date.now })
await WORK[work]!(store, name)
await store.close()
