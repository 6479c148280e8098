import type { ExchangeView, GatewayError, Host, JsonObject } from '#core/sdk.ts'

/** What can be kept in the audit journal. */
export const AUDIT_EVENTS = ['auth', 'rateLimit', 'error', 'costThreshold'] as const

/** One of them. */
export type AuditEvent = (typeof AUDIT_EVENTS)[number]

/** Writes rows to the ledger's journal `audit`. */
export interface Audit {
  /** Keeps an exchange that failed, where its kind is asked for. Never throws, never waits. */
  failed(exchange: ExchangeView, error: GatewayError): void
  /** Resolves when what was begun is written. */
  close(): Promise<void>
}

/** Rows that may be under way at once; beyond, the ledger does not keep up, and that is said rather than queued. */
const MAX_PENDING = 1_024

/** Starts the audit trail of a step. Rows outlive a kill -9 once they are written; what could not be is logged. */
export function startAudit(events: readonly AuditEvent[], host: Host): Audit {
  const pending = new Set<Promise<unknown>>()

  function append(row: JsonObject): void {
    if (pending.size >= MAX_PENDING) return lost(row, 'too many rows are under way')
    const written = host.store.ledger.append('audit', row).catch((err: unknown) => lost(row, err))
    pending.add(written)
    void written.finally(() => pending.delete(written))
  }

  function lost(row: JsonObject, err: unknown): void {
    host.log.error('audit row lost', { row, err })
  }

  if (events.includes('costThreshold')) {
    host.events.on('costThreshold', (data) => append({ ...data, event: 'costThreshold' }))
  }

  return {
    failed({ id, route, req, consumer, upstream }, error) {
      const event = eventOf(error)
      if (!events.includes(event)) return
      append({
        event,
        id,
        route,
        method: req.method,
        path: req.path,
        ip: req.ip,
        status: error.status,
        code: error.code,
        source: error.source,
        ...(consumer && { consumer: consumer.id }),
        ...(upstream && { upstream: upstream.name }),
      })
    },
    async close() {
      await Promise.all(pending)
    },
  }
}

function eventOf({ code }: GatewayError): AuditEvent {
  switch (code) {
    case 'UNAUTHENTICATED':
    case 'DENIED':
      return 'auth'
    case 'RATE_LIMITED':
      return 'rateLimit'
    default:
      return 'error'
  }
}
