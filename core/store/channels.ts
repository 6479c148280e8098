import type { Json } from '../kit/json.ts'
import type { Channel } from './store.ts'

/** Largest message, in characters of JSON: it says that something changed, not all of what changed. */
const MOST_MESSAGE_CHARACTERS = 64 * 1024

/** Longest name of a channel, in characters. */
const MOST_NAME_CHARACTERS = 256

interface Subscription {
  readonly listener: (message: Json) => void
  readonly refresh: (() => void) | undefined
}

/** How a backend carries messages: `Channels` knows who listens, this who else must hear. */
export interface Carrier {
  /** Resolves once those who listen will hear it. */
  publish(channel: string, text: string): Promise<void>
  /** The first listener of a channel has come. Calls `begin` once its messages arrive. */
  open(channel: string): void
  /** The last one has gone. */
  close(channel: string): void
}

/** Who listens to what in this process. What a carrier brings in is handed out by `deliver`. */
export class Channels {
  readonly #carrier: Carrier
  readonly #subscriptions = new Map<string, Set<Subscription>>()
  /** Channels whose messages arrive. */
  readonly #begun = new Set<string>()

  constructor(carrier: Carrier) {
    this.#carrier = carrier
  }

  /** Those that somebody listens to. */
  get open(): readonly string[] {
    return [...this.#subscriptions.keys()]
  }

  channel(name: string): Channel {
    if (name === '' || name.length > MOST_NAME_CHARACTERS) {
      throw new RangeError(
        `expected a channel's name of 1 to ${MOST_NAME_CHARACTERS} characters, got one of ${name.length}`,
      )
    }
    return {
      publish: async (message) => this.#carrier.publish(name, messageText(name, message)),
      subscribe: (listener, refresh) => this.#subscribe(name, { listener, refresh }),
    }
  }

  /** Hands a message to all that listen; each gets its own copy. */
  deliver(channel: string, text: string): void {
    for (const { listener } of this.#listening(channel)) listener(JSON.parse(text) as Json)
  }

  /** From now on, messages of the channel arrive; some from before may have been missed. */
  begin(channel: string): void {
    if (!this.#subscriptions.has(channel)) return
    this.#begun.add(channel)
    for (const { refresh } of this.#listening(channel)) refresh?.()
  }

  /** Ends all subscriptions. */
  clear(): void {
    const channels = this.open
    this.#subscriptions.clear()
    this.#begun.clear()
    for (const channel of channels) this.#carrier.close(channel)
  }

  /** A copy: a listener may leave while it is called. */
  #listening(channel: string): readonly Subscription[] {
    return [...(this.#subscriptions.get(channel) ?? [])]
  }

  #subscribe(channel: string, subscription: Subscription): () => void {
    const known = this.#subscriptions.get(channel)
    const all = known ?? new Set()
    all.add(subscription)
    if (known === undefined) {
      this.#subscriptions.set(channel, all)
      this.#carrier.open(channel)
    } else if (this.#begun.has(channel)) {
      queueMicrotask(() => all.has(subscription) && subscription.refresh?.())
    }
    return () => {
      if (!all.delete(subscription) || all.size > 0) return
      this.#subscriptions.delete(channel)
      this.#begun.delete(channel)
      this.#carrier.close(channel)
    }
  }
}

/** The text of a message, taken at once. Throws a RangeError. */
function messageText(channel: string, message: Json): string {
  const text = JSON.stringify(message)
  if (text.length <= MOST_MESSAGE_CHARACTERS) return text
  throw new RangeError(
    `a message of ${text.length} characters is too large for channel ${JSON.stringify(channel)}, at most ${MOST_MESSAGE_CHARACTERS} are carried`,
  )
}
