import { writeFileSync } from 'node:fs'
import { isObject } from '../kit/json.ts'
import { Cell, CellError, MOST_PATIENCE, PATIENCE } from './cell.ts'
import type { Program } from './program.ts'

/** What isolated-vm asks for of the process that it is loaded into. */
export const INLINE_FLAG = '--no-node-snapshot'

/** True where Node was started as isolated-vm asks for. */
export function canRunInline(): boolean {
  const flags = [...process.execArgv, ...(process.env['NODE_OPTIONS'] ?? '').split(/\s+/)]
  return flags.includes(INLINE_FLAG)
}

/** True where the options of a step ask for a script inside the gateway. */
export function asksForInline(options: unknown): boolean {
  return isObject(options) && options['sandbox'] === 'inline'
}

/** How much later a timer may come, so that one waking serves several. Nanoseconds; 50,000 otherwise. */
const SLACK_NS = 1_000_000

/**
 * The time limit of each call wakes a thread of isolated-vm's, long after the call is over (its timer.cc). Where Linux
 * may let threads sleep somewhat longer (proc(5), timerslack_ns), one waking is enough for all calls of a millisecond:
 * a tenth of what a call costs. The thread takes this over from the one that makes it, whose own timers come as late.
 */
function gatherWakings(): void {
  if (process.platform !== 'linux') return
  try {
    writeFileSync('/proc/self/timerslack_ns', String(SLACK_NS))
  } catch {
    // A kernel without it, or a container that hides it: then it costs what it costs.
  }
}

/**
 * Runs a script in the gateway's own process and on its own thread: quick, and nothing else happens meanwhile. An
 * isolate that V8 loses control of takes the gateway with it.
 */
export class InlineScript {
  readonly #program: Program
  #cell: Cell | undefined
  #opening: Promise<void> | undefined
  #isClosed = false

  constructor(program: Program) {
    this.#program = program
  }

  async open(): Promise<void> {
    gatherWakings()
    const cell = await Cell.open(this.#program, () => process.abort())
    if (this.#isClosed) cell.dispose()
    else this.#cell = cell
  }

  /** No promise, unless an isolate has to be made after a failure. Throws or rejects with a CellError. */
  run(text: string, patience = 1): string | Promise<string> {
    const cell = this.#cell
    if (cell === undefined) return this.#again().then(() => this.run(text, patience))
    try {
      return cell.runHere(text, patience)
    } catch (cause) {
      this.#cell = undefined
      cell.dispose()
      const isStarved =
        cause instanceof CellError && cause.kind === 'starved' && patience < MOST_PATIENCE
      if (isStarved) return this.run(text, patience * PATIENCE)
      void this.#again().catch(() => undefined)
      throw cause
    }
  }

  close(): void {
    this.#isClosed = true
    this.#cell?.dispose()
  }

  async #again(): Promise<void> {
    if (this.#isClosed) {
      throw new CellError({ kind: 'broken', message: 'the sandbox was closed', trace: '' })
    }
    this.#opening ??= this.open().finally(() => {
      this.#opening = undefined
    })
    await this.#opening
  }
}
