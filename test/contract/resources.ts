import { createHook } from 'node:async_hooks'
import { setImmediate as turn } from 'node:timers/promises'

/** What a plugin must not leave behind: what keeps a process alive, or a callback that will still come. */
const KINDS = new Set([
  'Timeout',
  'FSEVENTWRAP',
  'STATWATCHER',
  'PIPEWRAP',
  'PROCESSWRAP',
  'TCPWRAP',
  'TCPSERVERWRAP',
  'UDPWRAP',
  'WORKER',
])

/** The thread that takes types out of sources: everybody's, and it ends by itself. */
const SHARED = '/core/config/strip-types.ts'
const OWN = /\/(core|plugins|examples|test\/contract)\//

/** Follows the timers, sockets, watchers and processes that are opened from now on. */
export class Resources {
  readonly #alive = new Map<number, string>()
  readonly #hook = createHook({
    init: (id, type) => {
      if (KINDS.has(type)) this.#open(id, type)
    },
    destroy: (id) => void this.#alive.delete(id),
  }).enable()

  /** What is open still, after the turns that closing takes; with the line that opened each. */
  async survivors(): Promise<string[]> {
    // A closed handle is gone some turns of the loop later.
    for (let turns = 0; turns < 100 && this.#alive.size > 0; turns++) await turn()
    this.#hook.disable()
    return [...this.#alive.values()]
  }

  /** Timers are everybody's, the tests' runner too; of the others there are none but ours. */
  #open(id: number, type: string): void {
    const frames = new Error().stack?.split('\n') ?? []
    const opener = frames.find(
      (frame) => OWN.test(frame) && !frame.includes('/contract/resources.ts'),
    )
    if (opener === undefined ? type === 'Timeout' : opener.includes(SHARED)) return
    this.#alive.set(id, type + (opener?.replace(/^ *at/, '') ?? ''))
  }
}
