import { clientNetwork } from '#core/kit/ip.ts'
import type { Secret } from '#core/sdk.ts'
import { fieldsOf, type Grant, type Identity } from './identity.ts'
import { digestWith } from './key-text.ts'

/** What `anonymous: true` stands for. */
const DEFAULT: Grant = { roles: ['guest'] }

/**
 * Makes guests of callers without a credential; undefined where there are none. Each network is a guest of its own, so
 * that one of them does not use up what limits per user leave to all; its name does not show the address.
 */
export function guestOf(
  anonymous: boolean | Grant,
  pepper: Secret | undefined,
): ((ip: string) => Identity) | undefined {
  if (anonymous === false) return undefined
  const grant = anonymous === true ? DEFAULT : anonymous
  const { roles, rateLimit } = grant
  const digest = digestWith(pepper)
  return (ip) => ({
    method: 'anonymous',
    id: `anonymous-${digest(clientNetwork(ip)).slice(0, 12)}`,
    roles,
    rateLimit,
    fields: fieldsOf(grant),
    until: Infinity,
  })
}
