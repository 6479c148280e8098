import { DIALECTS } from '#core/dialects/index.ts'
import { isObject } from '#core/kit/json.ts'
import { parsePath } from '#core/kit/paths.ts'
import { suggest } from '#core/kit/suggest.ts'
import type { Report } from '#core/sdk.ts'
import type { Rbac } from './access.ts'
import { HMAC } from './algorithms.ts'
import { OWN_FIELDS } from './claims.ts'
import type { Grant, Method } from './identity.ts'
import type { IssuerOptions } from './jwt.ts'
import type { IntrospectionOptions } from './oauth2.ts'

/** One entry of the config that stands for somebody, and where it is written. */
export type Granted = readonly [path: readonly (string | number)[], grant: Grant]

/** Entries name their credential once: as it is, or by its digest. */
export function checkSecrets(
  entries: readonly { readonly [name: string]: unknown }[],
  name: string,
  path: readonly (string | number)[],
  report: Report,
): void {
  entries.forEach((entry, index) => {
    const given = [name, 'digest'].filter((one) => entry[one] !== undefined)
    if (given.length === 1) return
    const message = given.length === 0 ? `has neither ${name} nor digest` : `has ${name} and digest`
    const hint = `say ${name}: \${…}, or digest with what sluice keys digest prints`
    report.error([...path, index], message, hint)
  })
}

/** The part of the config that a method goes by. */
export interface Section {
  readonly method: Method
  readonly path: readonly string[]
  /** True where there is anything in it. */
  readonly isSet: boolean
}

/** A method without anything to go by accepts nobody; what no method uses does nothing. */
export function checkSections(
  methods: readonly Method[],
  sections: readonly Section[],
  report: Report,
): void {
  for (const { method, path, isSet } of sections) {
    const at = methods.indexOf(method)
    if (at !== -1 && !isSet) {
      const message = `${method} accepts nobody: nothing is configured under ${path.join('.')}`
      report.warning(['methods', at], message)
    } else if (at === -1 && isSet) {
      report.warning([path[0]!], `is not used: ${method} is not one of methods`)
    }
  }
}

/** The grants in a list of the config. */
export function grantsIn(path: readonly string[], grants: readonly Grant[]): Granted[] {
  return grants.map((grant, index) => [[...path, index], grant])
}

/** What no step counts is no quota. */
export function checkQuotas(rbac: Rbac | undefined, isCounted: boolean, report: Report): void {
  if (isCounted) return
  for (const [name, { quota }] of Object.entries(rbac?.roles ?? {})) {
    if (quota === undefined) continue
    report.warning(['rbac', 'roles', name, 'quota'], 'is not counted', 'say quotas: {} too')
  }
}

/** Roles that are given but not defined allow nothing: a typing error, found here. */
export function checkRoles(
  rbac: Rbac | undefined,
  grants: readonly Granted[],
  report: Report,
): void {
  if (rbac === undefined || !rbac.enabled) return
  const known = Object.keys(rbac.roles)
  if (known.length === 0) report.error(['rbac', 'roles'], 'is empty, so everything is denied')
  for (const [path, { roles }] of grants) {
    for (const [index, role] of roles.entries()) {
      if (known.includes(role)) continue
      const near = suggest(role, known)
      const hint =
        near === undefined ? `rbac.roles has ${known.join(', ')}` : `did you mean ${near}?`
      report.error(
        [...path, 'roles', index],
        `the role ${JSON.stringify(role)} is not defined`,
        hint,
      )
    }
  }
  for (const [name, { permissions }] of Object.entries(rbac.roles)) {
    permissions.forEach((permission, index) => {
      if (PERMISSIONS.has(permission)) return
      const near = suggest(permission, PERMISSIONS)
      if (near === undefined) return
      const path = ['rbac', 'roles', name, 'permissions', index]
      report.warning(
        path,
        `no request asks for ${JSON.stringify(permission)}`,
        `did you mean ${near}?`,
      )
    })
  }
}

/** What requests ask for by themselves; `rbac.permission` may name others. */
const PERMISSIONS = new Set([
  'read',
  'write',
  '*',
  'generate',
  ...Object.values(DIALECTS).flatMap(({ endpoints }) =>
    endpoints.map(({ operation }) => operation),
  ),
])

/** Issuers say in one way how their tokens are verified, and their ids cannot be mistaken for each other's. */
export function checkIssuers(issuers: readonly IssuerOptions[], report: Report): void {
  const seen = new Set<string>()
  issuers.forEach((one, index) => {
    const path = ['jwt', 'issuers', index]
    const given = (['jwks', 'keys', 'secret'] as const).filter((name) => one[name] !== undefined)
    if (given.length > 1) report.error(path, `has ${given.join(' and ')}: one of them is enough`)
    if (given.length === 0 && !/^https?:\/\//.test(one.issuer)) {
      report.error(
        [...path, 'issuer'],
        'is no URL, so its keys cannot be found',
        'say jwks, keys or secret',
      )
    }
    if (seen.has(one.issuer)) report.error([...path, 'issuer'], 'is there twice')
    seen.add(one.issuer)
    if (issuers.findIndex(({ idPrefix }) => idPrefix === one.idPrefix) < index) {
      const hint = 'without one, a user of the one issuer may pass for a user of the other'
      report.error([...path, 'idPrefix'], 'is that of another issuer, too', hint)
    }
    checkAlgorithms(one, path, report)
    const url = one.jwks ?? (given.length === 0 ? one.issuer : undefined)
    if (url !== undefined)
      checkTransport(url, [...path, one.jwks === undefined ? 'issuer' : 'jwks'], report)
    if (one.audience === false) {
      report.warning(
        [...path, 'audience'],
        'is not looked at, so tokens for other services are accepted',
      )
    }
    checkClaims(one.claims, [...path, 'claims'], report)
  })
}

/** RFC 8725 §3.1: whoever has the public key could else sign with it as with a secret. */
function checkAlgorithms(
  { algorithms = [], secret, keys }: IssuerOptions,
  path: readonly (string | number)[],
  report: Report,
): void {
  const isHmac = (name: string) => (HMAC as readonly string[]).includes(name)
  const wrong = algorithms.find((name) => isHmac(name) !== (secret !== undefined))
  if (wrong !== undefined) {
    const message = `${wrong} does not go with ${secret === undefined ? 'public keys' : 'a secret'}`
    report.error([...path, 'algorithms'], message)
  }
  keys?.forEach((key, at) => {
    const isPublic = isObject(key) && key['kty'] !== 'oct' && !('d' in key)
    if (!isPublic) report.error([...path, 'keys', at], 'is not a public key')
  })
  if (secret !== undefined && Buffer.byteLength(secret.reveal()) < 32) {
    report.error([...path, 'secret'], 'has less than 32 bytes')
  }
}

/** The endpoint is asked in a safe way, and its claims become a consumer's fields. */
export function checkIntrospection(
  { introspection, claims }: IntrospectionOptions,
  report: Report,
): void {
  checkTransport(introspection, ['oauth2', 'introspection'], report)
  checkClaims(claims, ['oauth2', 'claims'], report)
}

/** Keys that come over an open line can be exchanged on the way. */
function checkTransport(url: string, path: readonly (string | number)[], report: Report): void {
  if (!URL.canParse(url)) return report.error(path, 'is no URL')
  const { protocol, hostname } = new URL(url)
  if (protocol === 'https:' || /^(?:localhost|127\.|\[::1\])/.test(hostname)) return
  report.warning(path, 'is asked without encryption', 'use https')
}

/** A mapping sets fields of the consumer, save for those that only `auth` knows. */
function checkClaims(
  claims: Readonly<Record<string, string>>,
  path: readonly (string | number)[],
  report: Report,
): void {
  for (const [name, claim] of Object.entries(claims)) {
    if (OWN_FIELDS.has(name)) report.error([...path, name], 'is set by auth itself')
    try {
      parsePath(claim)
    } catch (cause) {
      report.error([...path, name], (cause as Error).message)
    }
  }
}
