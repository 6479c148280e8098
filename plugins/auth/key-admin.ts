import type { AdminRoute, Host, JsonObject } from '#core/sdk.ts'
import { GatewayError } from '#core/sdk.ts'
import type { KeyDirectory } from './key-directory.ts'
import type { KeyRecord } from './key-record.ts'
import { type KeyRules, renewalOf, shownKey, wishOf } from './key-request.ts'
import type { LastUsed } from './last-used.ts'

/** What the operations on keys stand on. */
export interface KeyAdminOptions {
  readonly directory: KeyDirectory
  readonly lastUsed: LastUsed
  readonly rules: KeyRules
  readonly host: Host
}

/** The operations on keys, for `/admin/auth/keys` and for `sluice keys`. */
export function keyRoutes({ directory, lastUsed, rules, host }: KeyAdminOptions): AdminRoute[] {
  function shown(record: KeyRecord, used?: ReadonlyMap<string, number>): JsonObject {
    const { id } = record
    const start = directory.startOf(id)
    return shownKey(record, { start, lastUsedAt: used?.get(id), now: host.now() })
  }

  function done(action: string, { id, name }: KeyRecord): void {
    host.events.emit('admin', { plugin: 'auth', action, key: id, name })
    host.log.info('api key changed', { action, key: id })
  }

  return [
    {
      method: 'GET',
      path: '/keys',
      summary: 'All keys, without what is secret of them.',
      async handle() {
        await directory.refresh()
        const records = directory.list()
        const used = await lastUsed.read(records.map(({ id }) => id))
        return { body: { keys: records.map((record) => shown(record, used)) } }
      },
    },
    {
      method: 'POST',
      path: '/keys',
      summary: 'Makes a key: name, roles, expires, user, … The answer holds it, once.',
      async handle({ body }) {
        const { key, record } = await directory.create(wishOf(body, rules, host.now()))
        done('keys.create', record)
        return { status: 201, body: { key, ...shown(record) } }
      },
    },
    {
      method: 'GET',
      path: '/keys/{id}',
      summary: 'One key, without what is secret of it.',
      async handle({ params }) {
        await directory.refresh()
        const record = directory.get(params['id']!)
        if (record === undefined) {
          throw new GatewayError(
            'ROUTE_NOT_FOUND',
            `there is no key ${JSON.stringify(params['id'])}`,
          )
        }
        return { body: shown(record, await lastUsed.read([record.id])) }
      },
    },
    {
      method: 'POST',
      path: '/keys/{id}/renew',
      summary:
        'Makes another text for a key; the one before goes on for `overlap`, by default 24h.',
      async handle({ params, body }) {
        const { key, record } = await directory.renew(params['id']!, renewalOf(body, host.now()))
        done('keys.renew', record)
        return { body: { key, ...shown(record) } }
      },
    },
    {
      method: 'DELETE',
      path: '/keys/{id}',
      summary: 'Revokes a key on all nodes, within a second.',
      async handle({ params }) {
        const record = await directory.revoke(params['id']!)
        done('keys.revoke', record)
        return { body: shown(record) }
      },
    },
  ]
}
