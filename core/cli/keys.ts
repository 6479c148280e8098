import { hash, randomBytes, scryptSync } from 'node:crypto'
import { text } from 'node:stream/consumers'
import { parseArgs } from 'node:util'
import { GatewayError } from '../errors.ts'
import { isObject, type Json, type JsonObject } from '../kit/json.ts'
import { StoreUnavailable } from '../store/unavailable.ts'
import { type Command, type Terminal, UsageError } from './command.ts'
import { type AdminCall, callAdmin } from './keys/call-admin.ts'

/** Makes, lists, renews and revokes API keys in the store of a config. */
export const keys: Command = {
  summary: 'Makes, lists, renews and revokes API keys.',
  usage: `usage: sluice keys create NAME [--role NAME]… [--user ID] [--project ID] [--team ID] [--plan NAME]
                          [--rate-limit LEVEL] [--quota PERIOD.UNIT=NUMBER]… [--model NAME]… [--route ID]…
                          [--expires WHEN]
       sluice keys list
       sluice keys renew ID [--expires WHEN] [--overlap DURATION]
       sluice keys revoke ID
       sluice keys digest [--password]

  --config    the config whose store holds the keys; default ./gateway.yaml
  --json      the answer as data
  --expires   from now, such as 90d, or a time such as 2027-01-31T00:00:00Z; default never
  --overlap   how long the key before is accepted after a renewal; default 24h

A key is shown once, on stdout; only its digest is kept. It is valid, and invalid once revoked, on all gateways that
share the store within a second. \`digest\` reads a key from stdin and prints what may stand in the config in its place,
with --password for the users of \`basic\`.`,

  async run(args, terminal) {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: OPTIONS,
    })
    const [action, subject, ...rest] = positionals
    if (rest.length > 0) throw new UsageError(`does not know ${JSON.stringify(rest[0])}`)
    if (action === 'digest') return printDigest(values.password === true, terminal)
    const call = callOf(action, subject, values)
    try {
      const body = await callAdmin('auth', values.config, call, terminal)
      if (values.json) terminal.stdout(`${JSON.stringify(body, null, 2)}\n`)
      else print(body, terminal)
      return 0
    } catch (cause) {
      if (!EXPECTED.some((kind) => cause instanceof kind)) throw cause
      terminal.stderr(`sluice keys: ${(cause as Error).message}\n`)
      return 1
    }
  },
}

/** What may go wrong without anybody's mistake in the code. */
const EXPECTED = [GatewayError, RangeError, StoreUnavailable]

const OPTIONS = {
  config: { type: 'string', default: './gateway.yaml' },
  json: { type: 'boolean', default: false },
  role: { type: 'string', multiple: true },
  model: { type: 'string', multiple: true },
  route: { type: 'string', multiple: true },
  consumer: { type: 'string' },
  user: { type: 'string' },
  project: { type: 'string' },
  team: { type: 'string' },
  plan: { type: 'string' },
  'rate-limit': { type: 'string' },
  quota: { type: 'string', multiple: true },
  expires: { type: 'string' },
  overlap: { type: 'string' },
  password: { type: 'boolean' },
} as const

/** The body's field for each option, and the actions that take it. */
const FIELDS: Readonly<Record<string, readonly [field: string, ...actions: string[]]>> = {
  role: ['roles', 'create'],
  model: ['models', 'create'],
  route: ['routes', 'create'],
  consumer: ['consumer', 'create'],
  user: ['user', 'create'],
  project: ['project', 'create'],
  team: ['team', 'create'],
  plan: ['plan', 'create'],
  'rate-limit': ['rateLimit', 'create'],
  quota: ['quota', 'create'],
  expires: ['expires', 'create', 'renew'],
  overlap: ['overlap', 'renew'],
}

type Values = Readonly<Record<string, string | boolean | string[] | undefined>>

/** The admin operation behind an action. */
function callOf(
  action: string | undefined,
  subject: string | undefined,
  values: Values,
): AdminCall {
  const body: JsonObject = {}
  for (const [option, [field, ...actions]] of Object.entries(FIELDS)) {
    const value = values[option]
    if (value === undefined) continue
    if (action !== undefined && actions.includes(action)) {
      body[field] = option === 'quota' ? quotaOf(value as string[]) : (value as Json)
    } else throw new UsageError(`--${option} is for ${actions.join(' and ')}`)
  }
  if (action === 'list' && subject === undefined) return { method: 'GET', path: '/keys' }
  if (action === undefined || !['create', 'renew', 'revoke'].includes(action)) {
    throw new UsageError('takes create NAME, list, renew ID, revoke ID or digest')
  }
  if (subject === undefined) {
    throw new UsageError(`${action} takes ${action === 'create' ? 'a name' : 'the id of a key'}`)
  }
  const path = `/keys/${encodeURIComponent(subject)}`
  if (action === 'create')
    return { method: 'POST', path: '/keys', body: { name: subject, ...body } }
  if (action === 'renew') return { method: 'POST', path: `${path}/renew`, body }
  return { method: 'DELETE', path }
}

/** `day.requests=100`, `month.tokens=1000000`. */
function quotaOf(texts: readonly string[]): JsonObject {
  const quota: Record<string, JsonObject> = {}
  for (const given of texts) {
    const [, period, unit, limit] = /^(day|month)\.(requests|tokens)=(\d{1,15})$/.exec(given) ?? []
    if (period === undefined || unit === undefined) {
      throw new UsageError(`--quota takes day.requests=100 or month.tokens=1000000, got ${given}`)
    }
    quota[period] = { ...quota[period], [unit]: Number(limit) }
  }
  return quota
}

/** A key alone on stdout, so that a script can take it; all else beside it. */
function print(body: Json, { stdout, stderr }: Terminal): void {
  if (!isObject(body)) return
  const { key, keys: list } = body
  if (Array.isArray(list)) return printList(list as JsonObject[], stdout)
  if (typeof key === 'string') {
    stdout(`${key}\n`)
    stderr(`${textOf(body['id'])} (${textOf(body['name'])}): the key is not shown again\n`)
  } else stdout(`${textOf(body['id'])} is ${textOf(body['status'])}\n`)
}

const COLUMNS = [
  'id',
  'name',
  'start',
  'status',
  'roles',
  'user',
  'createdAt',
  'expiresAt',
  'lastUsedAt',
]

function printList(list: readonly JsonObject[], stdout: (text: string) => void): void {
  const rows = [COLUMNS, ...list.map((one) => COLUMNS.map((column) => textOf(one[column])))]
  const widths = COLUMNS.map((_, at) => Math.max(...rows.map((row) => row[at]!.length)))
  for (const row of rows) {
    const cells = row.map((cell, at) => cell.padEnd(widths[at]!))
    stdout(`${cells.join('  ').trimEnd()}\n`)
  }
}

function textOf(value: unknown): string {
  if (Array.isArray(value)) return value.join(',')
  return typeof value === 'string' ? value : '-'
}

/** scrypt with the cost that OWASP's Password Storage Cheat Sheet names for interactive use. */
const SCRYPT = { N: 2 ** 14, r: 8, p: 5 }

async function printDigest(isPassword: boolean, { stdin, stdout }: Terminal): Promise<number> {
  const given = (await text(stdin)).replace(/\r?\n$/, '')
  if (given === '') throw new UsageError('digest reads the key from stdin, and there is none')
  if (!isPassword) {
    stdout(`sha256:${hash('sha256', given, 'hex')}\n`)
    return 0
  }
  const salt = randomBytes(16)
  const { N, r, p } = SCRYPT
  const key = scryptSync(given, salt, 32, SCRYPT)
  stdout(`scrypt:${N}:${r}:${p}:${salt.toString('base64url')}:${key.toString('base64url')}\n`)
  return 0
}
