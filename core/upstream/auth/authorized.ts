import { buffer } from 'node:stream/consumers'
import type { Readable } from 'node:stream'
import { GatewayError } from '../../errors.ts'
import { formatDuration } from '../../kit/duration.ts'
import type { Authorizer, Outgoing, Presented } from './authorizer.ts'

/** A try whose answer has a status: an attempt, or a WebSocket handshake. */
interface Try<A> {
  readonly answer: Promise<A>
  abort(reason: Error): void
}

/** What a try with a fetched credential is made of. */
export interface AuthorizedPlan<A> {
  readonly authorizer: Authorizer
  readonly request: Omit<Outgoing, 'body'> & { readonly body: Buffer | Readable | undefined }
  /** How long the credential may be waited for. */
  readonly leftMs: () => number
  /** Begins the try with the credential's fields. */
  readonly open: (presented: Presented, body: Buffer | Readable | undefined) => Try<A>
  /** Lets go of an answer that is not passed on. */
  readonly discard: (answer: A, reason: Error) => void
}

const RENEWED = new Error('asked again with a renewed credential')

/**
 * A try that gets its credential first. One that the upstream refuses with 401 is renewed once, where the body can be sent
 * again. Waits no longer than the attempt may take, and stops waiting when it is given up.
 */
export class Authorized<A extends { readonly status: number }> implements Try<A> {
  readonly answer: Promise<A>
  readonly #plan: AuthorizedPlan<A>
  #current: Try<A> | undefined
  #reject!: (reason: Error) => void
  #reason: Error | undefined

  constructor(plan: AuthorizedPlan<A>) {
    this.#plan = plan
    this.answer = new Promise((resolve, reject) => {
      this.#reject = reject
      this.#run().then(resolve, reject)
    })
  }

  abort(reason: Error): void {
    this.#reason ??= reason
    this.#current?.abort(reason)
    this.#reject(reason)
    // Nobody may be left who waits for it.
    this.answer.catch(() => undefined)
    const { body } = this.#plan.request
    if (this.#current === undefined && body !== undefined && !Buffer.isBuffer(body)) body.destroy()
  }

  async #run(): Promise<A> {
    const { authorizer, discard, request } = this.#plan
    const isStream = request.body !== undefined && !Buffer.isBuffer(request.body)
    const body =
      authorizer.needsBody && isStream ? await buffer(request.body as Readable) : request.body
    const presented = await this.#present(body)
    const answer = await this.#open(presented, body)
    if (answer.status !== 401 || (isStream && !authorizer.needsBody)) return answer
    if (!authorizer.refused(presented)) return answer
    discard(answer, RENEWED)
    return this.#open(await this.#present(body), body)
  }

  async #present(body: Buffer | Readable | undefined): Promise<Presented> {
    const { authorizer, leftMs, request } = this.#plan
    const known = Buffer.isBuffer(body) ? body : undefined
    const presented = authorizer.present({ ...request, body: known })
    return presented instanceof Promise ? within(presented, leftMs()) : presented
  }

  #open(presented: Presented, body: Buffer | Readable | undefined): Promise<A> {
    if (this.#reason !== undefined) throw this.#reason
    this.#current = this.#plan.open(presented, body)
    return this.#current.answer
  }
}

/** The promise's value, unless it takes too long: others may go on waiting for it. */
async function within<T>(promise: Promise<T>, ms: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      const detail = `no credential for the upstream within ${formatDuration(Math.round(ms))}`
      reject(new GatewayError('UPSTREAM_TIMEOUT', detail))
    }, ms)
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}
