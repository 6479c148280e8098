/**
 * The store cannot do what was asked: it is down, full, damaged or too slow. What that means for a request is the
 * caller's decision. Any other error of the store is a mistake in the call.
 */
export class StoreUnavailable extends Error {
  override readonly name = 'StoreUnavailable'
  readonly code = 'STORE_UNAVAILABLE'
}
