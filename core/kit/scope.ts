import type { ExchangeView } from '../exchange.ts'

/** Roots of expressions that a hook adds, or has its own of. */
interface Roots {
  readonly req?: unknown
  readonly res?: unknown
  readonly chunk?: unknown
  readonly msg?: unknown
}

/** The scope of an expression in a hook that is shown more than the exchange: a chunk, a message, a body of its own. */
export function scopeWith(exchange: ExchangeView, more: Roots) {
  return {
    req: exchange.req,
    res: exchange.res,
    consumer: exchange.consumer,
    upstream: exchange.upstream,
    // Counted on first use, and seldom used.
    get usage() {
      return exchange.usage
    },
    vars: exchange.vars,
    env: exchange.env,
    now: exchange.now,
    ...more,
  }
}
