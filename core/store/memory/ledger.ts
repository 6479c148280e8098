import type { JsonObject } from '../../kit/json.ts'
import { checkJournal, checkRead, rowText } from '../journal.ts'
import { chainHash } from '../chain.ts'
import type { Ledger, LedgerHead, LedgerRow } from '../store.ts'
import { StoreUnavailable } from '../unavailable.ts'
import { Texts, type TextBounds } from './texts.ts'

interface Row {
  readonly time: number
  readonly text: string
  readonly hash: string
  /** Of the row before it, which may be gone. */
  readonly previous: string
}

interface Journal {
  readonly rows: Texts<number, Row>
  last: number
  lastTime: number
  lastHash: string
}

/** Most journals of one ledger: their names come from plugins, so that many are a mistake. */
const MOST_JOURNALS = 1_000

/** Rows of one process, gone with it. A journal is bounded: its oldest rows are dropped, and their numbers stay used. */
export class MemoryLedger implements Ledger {
  readonly #journals = new Map<string, Journal>()
  readonly #now: () => number
  readonly #bounds: TextBounds

  constructor(now: () => number, bounds: TextBounds) {
    this.#now = now
    this.#bounds = bounds
  }

  async append(journal: string, row: JsonObject): Promise<number> {
    const text = rowText(journal, row)
    const target = this.#open(journal)
    target.lastTime = Math.max(target.lastTime, this.#now())
    target.last++
    const { last, lastTime: time, lastHash: previous } = target
    const hash = chainHash(previous, last, time, text)
    target.rows.set(last, { time, text, hash, previous })
    target.lastHash = hash
    return last
  }

  async read(
    journal: string,
    { after = 0, limit }: { readonly after?: number; readonly limit: number },
  ): Promise<readonly LedgerRow[]> {
    checkRead(journal, after, limit)
    const found = this.#journals.get(journal)
    if (found === undefined) return []
    const rows: LedgerRow[] = []
    const first = found.last - found.rows.size + 1
    for (let at = Math.max(after + 1, first); at <= found.last && rows.length < limit; at++) {
      const { time, text, hash } = found.rows.get(at)!
      rows.push({ sequence: at, time, row: JSON.parse(text) as JsonObject, hash })
    }
    return rows
  }

  async head(journal: string): Promise<LedgerHead> {
    checkJournal(journal)
    const { rows, last = 0, lastHash = '' } = this.#journals.get(journal) ?? {}
    const [oldest] = rows?.entries() ?? []
    const anchor =
      oldest === undefined
        ? { sequence: last, hash: lastHash }
        : { sequence: oldest[0] - 1, hash: oldest[1].previous }
    return { sequence: last, hash: lastHash, anchor }
  }

  async prune(journal: string, before: number): Promise<number> {
    checkJournal(journal)
    let count = 0
    const rows = this.#journals.get(journal)?.rows
    for (const [sequence, { time }] of rows?.entries() ?? []) {
      if (time >= before) break
      rows!.delete(sequence)
      count++
    }
    return count
  }

  #open(name: string): Journal {
    const known = this.#journals.get(name)
    if (known !== undefined) return known
    if (this.#journals.size >= MOST_JOURNALS) {
      throw new StoreUnavailable(
        `memory: cannot open journal ${JSON.stringify(name)}, there are ${MOST_JOURNALS} already`,
      )
    }
    const journal = {
      rows: new Texts<number, Row>(this.#bounds),
      last: 0,
      lastTime: 0,
      lastHash: '',
    }
    this.#journals.set(name, journal)
    return journal
  }
}
