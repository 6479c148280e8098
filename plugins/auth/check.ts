import { DIALECTS } from '#core/dialects/index.ts'
import { suggest } from '#core/kit/suggest.ts'
import type { Report } from '#core/sdk.ts'
import type { Rbac } from './access.ts'
import type { Grant, Method } from './identity.ts'

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
    report.error([...path, index], message, `say ${name}: \${…}, or digest: sha256:…`)
  })
}

/** A method without anything to go by accepts nobody; what no method uses does nothing. */
export function checkMethods(
  methods: readonly Method[],
  configured: Readonly<Partial<Record<Method, boolean>>>,
  sections: Readonly<Partial<Record<Method, readonly (string | number)[]>>>,
  report: Report,
): void {
  for (const [name, isConfigured] of Object.entries(configured)) {
    const method = name as Method
    const at = methods.indexOf(method)
    const section = sections[method] ?? []
    const place = section.join('.')
    if (at !== -1 && !isConfigured) {
      report.warning(
        ['methods', at],
        `${method} accepts nobody: nothing is configured under ${place}`,
      )
    } else if (at === -1 && isConfigured) {
      report.warning([section[0]!], `is not used: ${method} is not one of methods`)
    }
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
