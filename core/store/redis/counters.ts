import { randomBytes } from 'node:crypto'
import { Newest } from '../../kit/newest.ts'
import {
  checkAmounts,
  checkLimit,
  checkReserve,
  counterName,
  heldAlready,
} from '../counters/checks.ts'
import { capacityOf } from '../counters/tally.ts'
import type { Charge, Counters, Limit, LimitState, Reservation } from '../store.ts'
import { StoreUnavailable } from '../unavailable.ts'
import type { Client } from './client.ts'
import { isRefusal, Unanswered } from './failure.ts'
import type { Link } from './link.ts'
import { scriptCommand } from './script.ts'

/** What is made up for once the server is there again; the oldest is forgotten for one more. */
const MOST_UNSURE = 10_000

/**
 * Counters on a server: each operation is one run of the script counters.lua, in the time of the server.
 *
 * An operation that was rejected may have been done all the same, or be done later: only its answer is missing. So
 * each has a token by which the script knows it again, and is made up for on the next connection: a reservation is
 * given back, since its caller was told that there is none; a settlement is sent again.
 */
export class RedisCounters implements Counters {
  readonly #link: Link
  readonly #key: string
  readonly #now: (() => number) | undefined
  /** Begins the tokens of this process. */
  readonly #process = randomBytes(9).toString('base64url')
  /** By token. */
  readonly #unsure = new Newest<string, readonly string[]>(MOST_UNSURE)
  #count = 0

  /** `prefix` begins all keys; `now` takes the place of the server's time in tests. */
  constructor(link: Link, prefix: string, now: (() => number) | undefined) {
    this.#link = link
    // In braces: all keys of the counters are in one slot, and one script may touch them all.
    this.#key = `{${prefix}}:numbers`
    this.#now = now
  }

  async reserve(id: string, charges: readonly Charge[], ttlMs: number): Promise<Reservation> {
    checkReserve(id, charges, ttlMs)
    const token = this.#token()
    const args = ['reserve', this.#time(), id, token, String(ttlMs)]
    for (const { limit, amount } of charges) args.push(...limitArgs(limit), String(amount))
    const reply = await this.#run(args).catch((cause: unknown) => {
      if (cause instanceof Unanswered) {
        this.#remember(token, ['cancel', this.#time(), id, token])
      }
      throw cause
    })
    return toReservation(id, reply)
  }

  settle(id: string, amounts: readonly number[]): Promise<boolean> {
    return this.#close(id, amounts)
  }

  release(id: string): Promise<boolean> {
    return this.#close(id, undefined)
  }

  async read(limits: readonly Limit[]): Promise<readonly LimitState[]> {
    limits.forEach(checkLimit)
    return toStates(await this.#run(['read', this.#time(), ...limits.flatMap(limitArgs)]))
  }

  async reset(limits: readonly Limit[]): Promise<void> {
    limits.forEach(checkLimit)
    await this.#run(['reset', this.#time(), ...limits.map(counterName)])
  }

  /** Makes up for what was rejected while it may have been done. Before anything else is sent on a new connection. */
  async makeUp(client: Client): Promise<void> {
    const unsure = [...this.#unsure]
    await Promise.all(
      unsure.map(async ([token, args]) => {
        // One that fails now is tried again on the next connection.
        const command = scriptCommand(this.#key, args, false)
        const isDone = await client.sendCommand(command).then(
          () => true,
          () => false,
        )
        if (isDone) this.#unsure.delete(token)
      }),
    )
  }

  async #close(id: string, amounts: readonly number[] | undefined): Promise<boolean> {
    checkAmounts(id, amounts, amounts?.length ?? 0)
    const token = this.#token()
    const how = amounts === undefined ? ['release'] : ['settle', ...amounts.map(String)]
    const args = ['settle', this.#time(), id, token, ...how]
    const [reply] = await this.#run(args).catch((cause: unknown) => {
      // Also one that was not sent: what a request came to is known now, and nobody will know it later.
      if (cause instanceof StoreUnavailable && !isRefusal(cause.cause)) this.#remember(token, args)
      throw cause
    })
    if (reply !== 'yes' && reply !== 'no') checkAmounts(id, amounts, Number(reply))
    return reply === 'yes'
  }

  async #run(args: readonly string[]): Promise<readonly string[]> {
    try {
      return (await this.#link.run(scriptCommand(this.#key, args, false))) as string[]
    } catch (cause) {
      if (!isForgotten(cause)) throw cause
      return (await this.#link.run(scriptCommand(this.#key, args, true))) as string[]
    }
  }

  #remember(token: string, args: readonly string[]): void {
    this.#unsure.set(token, args)
  }

  #token(): string {
    return `${this.#process}${(this.#count++).toString(36)}`
  }

  #time(): string {
    return this.#now === undefined ? '' : String(this.#now())
  }
}

/** True where the server has lost its scripts (SCRIPT FLUSH, a restart). */
function isForgotten(cause: unknown): boolean {
  return (
    cause instanceof StoreUnavailable &&
    isRefusal(cause.cause) &&
    cause.cause.message.startsWith('NOSCRIPT')
  )
}

function limitArgs(limit: Limit): [name: string, limit: string, capacity: string] {
  return [counterName(limit), String(limit.limit), String(capacityOf(limit))]
}

function toReservation(id: string, [outcome, ...rest]: readonly string[]): Reservation {
  if (outcome === 'ok') return { ok: true, states: toStates(rest) }
  if (outcome !== 'refused') throw heldAlready(id)
  const [retryAfterMs, ...triples] = rest
  const refused: number[] = []
  const states: string[] = []
  for (let at = 0; at < triples.length; at += 3) {
    if (triples[at] === '1') refused.push(at / 3)
    states.push(triples[at + 1]!, triples[at + 2]!)
  }
  return { ok: false, states: toStates(states), refused, retryAfterMs: toNumber(retryAfterMs!) }
}

function toStates(reply: readonly string[]): LimitState[] {
  const states: LimitState[] = []
  for (let at = 0; at < reply.length; at += 2) {
    states.push({ remaining: toNumber(reply[at]!), resetMs: toNumber(reply[at + 1]!) })
  }
  return states
}

function toNumber(text: string): number {
  return text === 'inf' ? Infinity : Number(text)
}
