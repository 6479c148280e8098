import { hash } from 'node:crypto'
import type { Ledger, LedgerHead, LedgerRow } from './store.ts'

/** Rows that one read of a check takes. */
const PAGE = 1_000

/** Faults that are told; behind the first few, more say nothing new. */
const MOST_FAULTS = 20

/** What is wrong with a journal, and where. */
export interface ChainFault {
  readonly sequence: number
  /** `changed`: the row is not the one that was appended. `missing`: it is gone. `tail`: rows at the end are gone. */
  readonly kind: 'changed' | 'missing' | 'tail'
}

/** What a check of a journal came to. */
export interface ChainReport {
  readonly rows: number
  readonly head: LedgerHead
  readonly faults: readonly ChainFault[]
}

/**
 * The hash of a row: SHA-256 over the hash of the row before it, its sequence, its time and its JSON. Whoever changes
 * or removes a row has to change all that follow, up to a head that somebody may have written down elsewhere.
 */
export function chainHash(previous: string, sequence: number, time: number, text: string): string {
  return hash('sha256', `${previous}\n${sequence}\n${time}\n${text}`, 'hex')
}

/**
 * Walks a journal and tells of rows that are not what they were, or not there. `known` is a head that was noted
 * elsewhere: the journal must still hold that row with that hash.
 */
export async function verifyJournal(
  ledger: Ledger,
  journal: string,
  known?: { readonly sequence: number; readonly hash: string },
): Promise<ChainReport> {
  const head = await ledger.head(journal)
  const walk = new Walk(head)
  let isKnown = known === undefined || known.sequence <= head.anchor.sequence
  for (let after = head.anchor.sequence; after < head.sequence;) {
    const rows = await ledger.read(journal, { after, limit: PAGE })
    if (rows.length === 0) break
    for (const row of rows) {
      // Appended while we walk.
      if (row.sequence > head.sequence) break
      walk.take(row)
      if (row.sequence === known?.sequence && row.hash === known.hash) isKnown = true
    }
    after = rows.at(-1)!.sequence
  }
  walk.end()
  if (!isKnown) walk.faults.push({ sequence: known!.sequence, kind: 'changed' })
  return { rows: walk.rows, head, faults: walk.faults.slice(0, MOST_FAULTS) }
}

class Walk {
  rows = 0
  readonly faults: ChainFault[] = []
  readonly #head: LedgerHead
  #sequence: number
  #hash: string

  constructor(head: LedgerHead) {
    this.#head = head
    this.#sequence = head.anchor.sequence
    this.#hash = head.anchor.hash
  }

  take({ sequence, time, row, hash }: LedgerRow): void {
    const isNext = sequence === this.#sequence + 1
    if (!isNext) this.#fault(this.#sequence + 1, 'missing')
    else if (chainHash(this.#hash, sequence, time, JSON.stringify(row)) !== hash) {
      this.#fault(sequence, 'changed')
    }
    this.rows++
    this.#sequence = sequence
    // Its own hash, so that one fault is one fault and not one for each row behind it.
    this.#hash = hash
  }

  end(): void {
    const { sequence, hash } = this.#head
    if (this.#sequence < sequence) this.#fault(this.#sequence + 1, 'tail')
    else if (this.#hash !== hash) this.#fault(sequence, 'changed')
  }

  #fault(sequence: number, kind: ChainFault['kind']): void {
    this.faults.push({ sequence, kind })
  }
}
