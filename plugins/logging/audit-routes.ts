import { type AdminRoute, GatewayError, type Host, type Json } from '#core/sdk.ts'
import { JOURNAL } from './audit.ts'

const MOST_ROWS = 1_000

/** What operators may read of the audit trail. `sluice audit` does the same from the command line, and checks it. */
export function auditRoutes({ store: { ledger } }: Host): readonly AdminRoute[] {
  return [
    {
      method: 'GET',
      path: '/audit',
      summary: 'Rows of the audit trail, oldest first: ?after=SEQUENCE&limit=N.',
      async handle({ query }) {
        const after = wholeNumber('after', query['after'] ?? '0', Number.MAX_SAFE_INTEGER)
        const limit = wholeNumber('limit', query['limit'] ?? '100', MOST_ROWS)
        const rows = await ledger.read(JOURNAL, { after, limit: Math.max(limit, 1) })
        const { sequence, hash } = await ledger.head(JOURNAL)
        const shown = rows.map(({ row, ...place }) => ({ ...place, ...row }))
        return { body: { head: { sequence, hash }, rows: shown as Json[] } }
      },
    },
  ]
}

function wholeNumber(name: string, text: string, most: number): number {
  const number = Number(text)
  if (/^\d+$/.test(text) && number <= most) return number
  const detail = `expected ${name} as a whole number up to ${most}, got ${JSON.stringify(text)}`
  throw new GatewayError('BAD_REQUEST', detail)
}
