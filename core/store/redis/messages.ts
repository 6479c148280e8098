import { Channels, type Carrier } from '../channels.ts'
import type { Client } from './client.ts'
import type { Link } from './link.ts'

/** Messages by Redis' own publish and subscribe. What is published while the connection is lost is missed. */
export class RedisMessages implements Carrier {
  readonly channels = new Channels(this)
  readonly #link: Link
  readonly #prefix: string
  #client: Client | undefined

  /** `prefix` names the database too: Redis sends messages across all of them. */
  constructor(link: Link, prefix: string) {
    this.#link = link
    this.#prefix = prefix
  }

  async publish(channel: string, text: string): Promise<void> {
    // Not sent twice: it would be heard twice.
    await this.#link.run(['PUBLISH', `${this.#prefix}${channel}`, text], false)
  }

  open(channel: string): void {
    if (this.#client !== undefined) void this.#subscribe(channel, this.#client)
  }

  close(channel: string): void {
    // Where that fails the connection is lost, and with it the subscription.
    this.#client?.unsubscribe(`${this.#prefix}${channel}`).catch(() => {})
  }

  /** Listens on a new connection to all that was listened to on the old one. */
  resume(client: Client): void {
    this.#client = client
    for (const channel of this.channels.open) void this.#subscribe(channel, client)
  }

  async #subscribe(channel: string, client: Client): Promise<void> {
    try {
      await client.subscribe(`${this.#prefix}${channel}`, (text) =>
        this.channels.deliver(channel, text),
      )
    } catch {
      // The connection is lost; on the next one, `resume` comes again.
      return
    }
    if (client === this.#client) this.channels.begin(channel)
  }
}
