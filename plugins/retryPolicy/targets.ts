import type { Exchange, Expression, Host } from '#core/sdk.ts'
import type { Failure } from './failure.ts'
import type { Options } from './options.ts'

/** Where a request may go when it fails. */
export interface Target {
  readonly upstream: string | undefined
  readonly model: string | undefined
  readonly when: Expression | undefined
}

/** The fallbacks of the options, all in one form. */
export function targetsOf({ fallback }: Options): readonly Target[] {
  return fallback.map((one) =>
    typeof one === 'string'
      ? { upstream: one, model: undefined, when: undefined }
      : { upstream: one.upstream, model: one.model, when: one.when },
  )
}

/** The next fallback, from position `from` on, that wants this failure; the number of targets where none does. */
export function nextTarget(targets: readonly Target[], from: number, exchange: Exchange): number {
  let at = from
  while (at < targets.length && targets[at]!.when?.test(exchange) === false) at++
  return at
}

/**
 * True where the upstream has an endpoint or a key that this request has not tried: then there is no reason to wait.
 * A refusal of the key is answered by another key, all else by another endpoint.
 */
export function hasFresh(
  exchange: Exchange,
  { status }: Failure,
  tries: number,
  host: Host,
): boolean {
  const { upstream } = exchange
  if (upstream === undefined) return false
  const endpoints = host.upstreams.endpoints(upstream.name).length
  const isOfKey = status === 429 || status === 401 || status === 402 || status === 403
  return tries < (isOfKey ? host.upstreams.keys(upstream.name) * endpoints : endpoints)
}
