import type { ExchangeView, Host, JsonObject } from '#core/sdk.ts'
import type { Identity, Method, Reason } from './identity.ts'

/** Tells operators how callers fared: in events, for the audit, and in metrics. Never a credential. */
export interface Tell {
  /** Somebody was let in. */
  passed(exchange: ExchangeView, identity: Identity): void
  /** Somebody was recognised, but may not do this. */
  denied(exchange: ExchangeView, identity: Identity, why: string): void
  /** Nobody was recognised; `keyId` is the key's that was presented and is no longer valid. */
  refused(exchange: ExchangeView, reason: Reason, keyId?: string): void
  /** A key that has a quota, where the step counts none. */
  uncounted(identity: Identity): void
  /** An address that is not listened to, once per window for the event; counted each time. */
  blocked(exchange: ExchangeView, isFirst: boolean): void
}

/** Makes it for one step. */
export function createTell(host: Host, events: 'failures' | 'all'): Tell {
  const requests = host.metrics.counter(
    'auth_requests_total',
    'Requests, by how they were recognised.',
    ['method', 'result'],
  )
  // Labels are made once: this runs for each request.
  const passed = Object.fromEntries(
    METHODS.map((method) => [method, { method, result: 'passed' }]),
  ) as Record<Method, { method: string; result: string }>

  function emit(exchange: ExchangeView, result: string, data: JsonObject): void {
    const { id, route, req } = exchange
    host.events.emit('auth', { id, route, ip: req.ip, result, ...data })
  }

  return {
    passed(exchange, identity) {
      requests.add(1, passed[identity.method])
      if (events === 'all') emit(exchange, 'passed', whoIs(identity))
    },
    denied(exchange, identity, why) {
      requests.add(1, { method: identity.method, result: 'denied' })
      emit(exchange, 'denied', { ...whoIs(identity), reason: why })
    },
    refused(exchange, reason, keyId) {
      requests.add(1, { method: '', result: reason })
      emit(exchange, 'refused', keyId === undefined ? { reason } : { reason, key: keyId })
    },
    uncounted({ keyId }) {
      host.log.warn('quota of a key not counted', { key: keyId, hint: 'quotas: {} counts it' })
    },
    blocked(exchange, isFirst) {
      requests.add(1, { method: '', result: 'blocked' })
      if (isFirst) emit(exchange, 'refused', { reason: 'blocked' })
    },
  }
}

const METHODS: readonly Method[] = ['api-key', 'bearer', 'jwt', 'oauth2', 'basic', 'anonymous']

function whoIs({ method, id, keyId }: Identity): JsonObject {
  return { method, consumer: id, ...(keyId !== undefined && { key: keyId }) }
}
