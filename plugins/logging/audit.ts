import { maskSecrets } from '#core/kit/secret.ts'
import type { ExchangeView, GatewayError, Host, JsonObject, Ledger } from '#core/sdk.ts'

/** What can be kept in the audit journal. */
export const AUDIT_EVENTS = [
  'auth',
  'rateLimit',
  'error',
  'costThreshold',
  'config',
  'admin',
] as const

/** One of them. */
export type AuditEvent = (typeof AUDIT_EVENTS)[number]

/** The journal of the ledger that rows go to. */
export const JOURNAL = 'audit'

/** What is kept, and for how long. */
export interface AuditOptions {
  readonly events: readonly AuditEvent[]
  /** Milliseconds; for ever where it is left out. */
  readonly keep?: number
}

/** Writes rows to the ledger's journal `audit`. */
export interface Audit {
  /** Keeps an exchange that failed, where its kind is asked for. Never throws, never waits. */
  failed(exchange: ExchangeView, error: GatewayError): void
  /** Resolves when what was begun is written. */
  close(): Promise<void>
}

/** Rows that may be under way at once; beyond, the ledger does not keep up, and that is said rather than queued. */
const MAX_PENDING = 1_024

/** How often the end of the chain is noted in the gateway's log, and old rows are pruned. Milliseconds. */
const HOURLY_MS = 3_600_000

/** Events of the gateway as a whole: they are kept once, however many steps keep an audit trail. */
const SHARED = ['auth', 'costThreshold', 'config', 'admin'] as const

/** The steps that keep one in the same ledger; the first of them keeps what is told to all. */
const keepers = new WeakMap<Ledger, Set<Host>>()

/** Requests whose refusal has been told by the step that refused. */
const MAX_TOLD = 1_024

/** Starts the audit trail of a step. Rows outlive a kill -9 once they are written; what could not be is logged. */
export function startAudit({ events, keep }: AuditOptions, host: Host): Audit {
  const { ledger } = host.store
  const pending = new Set<Promise<unknown>>()
  const told = new Set<string>()
  const steps = keepers.get(ledger) ?? new Set()
  keepers.set(ledger, steps.add(host))

  function append(row: JsonObject): void {
    const clean = JSON.parse(maskSecrets(JSON.stringify(row))) as JsonObject
    if (pending.size >= MAX_PENDING) return lost(clean, 'too many rows are under way')
    const written = ledger.append(JOURNAL, clean).catch((err: unknown) => lost(clean, err))
    pending.add(written)
    void written.finally(() => pending.delete(written))
  }

  function lost(row: JsonObject, err: unknown): void {
    host.log.error('audit row lost', { row, err })
  }

  function hear(event: AuditEvent, data: JsonObject): void {
    const [first] = steps
    if (first !== host) return
    append({ ...data, event })
    if (typeof data['id'] !== 'string') return
    told.add(data['id'])
    if (told.size > MAX_TOLD) told.delete(told.values().next().value!)
  }

  for (const event of SHARED) {
    if (events.includes(event)) host.events.on(event, (data) => hear(event, data))
  }

  /** An end of the chain that is written down elsewhere is what a forged journal cannot agree with. */
  async function note(): Promise<void> {
    const { sequence, hash } = await ledger.head(JOURNAL)
    if (sequence > 0) host.log.info('audit head', { sequence, hash })
  }

  host.every(HOURLY_MS, async () => {
    await note()
    if (keep !== undefined) await ledger.prune(JOURNAL, host.now() - keep)
  })

  return {
    failed({ id, route, req, consumer, upstream }, error) {
      const event = eventOf(error)
      if (!events.includes(event) || told.has(id)) return
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
      steps.delete(host)
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
