import { endpointOf } from '#core/dialects/index.ts'
import type { ExchangeView, RequestPatch } from '#core/sdk.ts'
import type { Identity } from './identity.ts'
import type { Quota } from './quota-limits.ts'

/** A role as the config says it. */
export interface Role {
  readonly permissions: readonly string[]
  readonly rateLimit?: string
  readonly routes?: readonly string[]
  readonly methods?: readonly string[]
  readonly models?: readonly string[]
  readonly quota?: Quota
}

/** The option `rbac`. */
export interface Rbac {
  readonly enabled: boolean
  readonly roles: Readonly<Record<string, Role>>
  readonly permission?: string
}

/** What somebody may do. */
export interface Access {
  readonly permissions: readonly string[]
  readonly rateLimit: string | undefined
  /** Why a request is denied, or undefined where it is not. */
  denies(exchange: ExchangeView): RequestPatch | undefined
}

/** The roles that somebody has, of those that the config knows, in its order. */
type Roles = readonly (readonly [name: string, role: Role])[]

/** Works out what somebody may do; once per credential, not per request. */
export function accessOf(identity: Identity, rbac: Rbac | undefined): Access {
  const { rateLimit, models, routes } = identity
  const own = models === undefined && routes === undefined ? undefined : { models, routes }
  if (rbac === undefined || !rbac.enabled) {
    return { permissions: [], rateLimit, denies: (exchange) => own && limitsDeny(own, exchange) }
  }
  const roles = Object.entries(rbac.roles).filter(([name]) => identity.roles.includes(name))
  return {
    permissions: [...new Set(roles.flatMap(([, { permissions }]) => permissions))],
    rateLimit: rateLimit ?? roles.find(([, role]) => role.rateLimit !== undefined)?.[1].rateLimit,
    denies(exchange) {
      if (roles.length === 0) return deny(noRole(identity.roles))
      const missing = rolesDeny(roles, exchange, rbac.permission)
      return missing ?? (own && limitsDeny(own, exchange))
    },
  }
}

function noRole(given: readonly string[]): string {
  return given.length === 0
    ? 'this consumer has no role, and what no role allows is denied'
    : `none of the roles ${given.join(', ')} is known here, and what no role allows is denied`
}

/** One role that allows all of a request is enough. Else what the role that came nearest lacks is told. */
function rolesDeny(
  roles: Roles,
  exchange: ExchangeView,
  permission: string | undefined,
): RequestPatch | undefined {
  const needed = permission ?? permissionFor(exchange)
  let nearest: RequestPatch | undefined
  for (const [, role] of roles) {
    if (!permits(role, needed, permission === undefined, exchange)) continue
    const denial = methodDenies(role, exchange) ?? limitsDeny(role, exchange)
    if (denial === undefined) return undefined
    nearest ??= denial
  }
  return nearest ?? deny(`the permission ${JSON.stringify(needed)} is missing`)
}

/** What a request needs: `read` where it changes nothing and has nothing generated, else `write`. */
export function permissionFor({ req }: ExchangeView): 'read' | 'write' {
  if (req.protocol === 'websocket') return 'write'
  const { method } = req
  if (method === 'GET' || method === 'HEAD' || method === 'OPTIONS') return 'read'
  return operationOf(req) === 'count-tokens' ? 'read' : 'write'
}

function permits(
  { permissions }: Role,
  needed: string,
  byOperation: boolean,
  { req }: ExchangeView,
): boolean {
  if (permissions.includes(needed) || permissions.includes('*')) return true
  if (!byOperation || permissions.length === 0) return false
  const operation = operationOf(req)
  return operation !== undefined && permissions.includes(operation)
}

/** What the conversation endpoints of the APIs are called here: they do one thing under several names. */
const GENERATE = new Set(['chat', 'responses', 'messages', 'generate', 'completions'])

/** The operation of a known endpoint: `generate`, `embeddings`, `models`. The path is the normalised one. */
function operationOf({ method, path, headers }: ExchangeView['req']): string | undefined {
  const operation = endpointOf(method, path, headers)?.endpoint.operation
  return operation !== undefined && GENERATE.has(operation) ? 'generate' : operation
}

function methodDenies({ methods }: Role, { req }: ExchangeView): RequestPatch | undefined {
  if (methods === undefined || methods.includes(req.method)) return undefined
  return deny(`the method ${req.method} is not allowed for this consumer`)
}

interface Limits {
  readonly models?: readonly string[] | undefined
  readonly routes?: readonly string[] | undefined
}

function limitsDeny({ models, routes }: Limits, exchange: ExchangeView): RequestPatch | undefined {
  if (routes !== undefined && !routes.includes(exchange.route)) {
    return deny(`the route ${JSON.stringify(exchange.route)} is not allowed for this consumer`)
  }
  if (models === undefined) return undefined
  const { req } = exchange
  // A session of a realtime API names its model in the query.
  const model = req.model ?? (req.protocol === 'websocket' ? req.query['model'] : undefined)
  // A list of models or a stored answer names none; what else does not is not to be told from a way around.
  if (model === undefined && permissionFor(exchange) === 'read') return undefined
  if (model !== undefined && models.some((pattern) => matches(pattern, model))) return undefined
  const found =
    model === undefined ? 'a request without a model' : `the model ${JSON.stringify(model)}`
  return deny(`${found} is not allowed for this consumer`, 'model')
}

/** `*` stands for any text; all else for itself. Linear. */
export function matches(pattern: string, text: string): boolean {
  const [first = '', ...rest] = pattern.split('*')
  if (rest.length === 0) return pattern === text
  const last = rest.pop()!
  if (!text.startsWith(first) || !text.endsWith(last)) return false
  const end = text.length - last.length
  let at = first.length
  for (const part of rest) {
    const found = text.indexOf(part, at)
    if (found === -1) return false
    at = found + part.length
  }
  return at <= end
}

function deny(message: string, param?: string): RequestPatch {
  return { deny: { code: 'DENIED', message, ...(param === undefined ? {} : { param }) } }
}
