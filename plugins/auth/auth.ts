import {
  definePlugin,
  type ExchangeView,
  type Host,
  type Json,
  type Outcome,
  type Part,
} from '#core/sdk.ts'
import { identifyStatic, staticKeys } from './api-keys.ts'
import { identifyBasic } from './basic.ts'
import {
  checkIntrospection,
  checkIssuers,
  checkSections,
  checkQuotas,
  checkRoles,
  checkSecrets,
  type Granted,
  grantsIn,
} from './check.ts'
import { Failures } from './failures.ts'
import { Gate, type Identify } from './gate.ts'
import { guestOf } from './guest.ts'
import type { IssuerOptions } from './jwt.ts'
import { openKeyStore } from './key-store.ts'
import type { IntrospectionOptions } from './oauth2.ts'
import { ANONYMOUS, API_KEYS, BASIC, BEARER, FAILURES } from './options.ts'
import { quotaRoutes } from './quota-admin.ts'
import { countedUnits } from './quota-limits.ts'
import { Quotas } from './quotas.ts'
import { Recognised } from './recognised.ts'
import { refusalsFor } from './refusal.ts'
import { QUOTAS, RBAC } from './role-options.ts'
import { createTell } from './tell.ts'
import { JWT, OAUTH2 } from './token-options.ts'

const METHODS = ['api-key', 'bearer', 'jwt', 'oauth2', 'basic'] as const
const API_KEY_ONLY: Json[] = ['api-key']
const WRITES_BODY: readonly Part[] = ['request.body']

export default definePlugin({
  name: 'auth',
  stage: 'identify',
  summary: 'Establishes who calls, by key or token, and what they may do.',

  schema: {
    type: 'object',
    additionalProperties: false,
    properties: {
      methods: {
        type: 'array',
        minItems: 1,
        uniqueItems: true,
        items: { type: 'string', enum: METHODS },
        default: API_KEY_ONLY,
        description:
          'How callers may be recognised, in the order in which it is tried. The first that knows a credential decides.',
      },
      anonymous: ANONYMOUS,
      realm: {
        type: 'string',
        pattern: '^[\\w .:/-]{1,64}$',
        title: 'letters, digits and . : / - _',
        default: 'sluice',
        description: 'What clients are told that they are to sign in to.',
      },
      apiKeys: API_KEYS,
      bearer: BEARER,
      jwt: JWT,
      oauth2: OAUTH2,
      basic: BASIC,
      rbac: RBAC,
      quotas: QUOTAS,
      failures: FAILURES,
      events: {
        type: 'string',
        enum: ['failures', 'all'],
        default: 'failures',
        description: 'Which `auth` events are sent: of those refused, or of everybody.',
      },
    },
  },

  provides: ['consumer'],
  writes: ({ quotas }) => (quotas?.boundOutput ? WRITES_BODY : []),

  reads: ({ apiKeys, rbac, quotas }) => {
    const isByModel =
      apiKeys.models || Object.values(rbac?.roles ?? {}).some(({ models }) => models !== undefined)
    const parts: Part[] = isByModel ? ['request.model'] : []
    if (countedUnits(quotas, rbac).includes('tokens')) parts.push('request.body', 'usage')
    return parts
  },

  check({ methods, anonymous, apiKeys, bearer, jwt, oauth2, basic, rbac, quotas }, report) {
    const { tokens } = bearer
    const { issuers } = jwt
    const { users } = basic
    checkSections(
      methods,
      [
        { method: 'bearer', path: ['bearer', 'tokens'], isSet: tokens.length > 0 },
        { method: 'jwt', path: ['jwt', 'issuers'], isSet: issuers.length > 0 },
        { method: 'oauth2', path: ['oauth2'], isSet: oauth2 !== undefined },
        { method: 'basic', path: ['basic', 'users'], isSet: users.length > 0 },
      ],
      report,
    )
    checkSecrets(apiKeys.static, 'key', ['apiKeys', 'static'], report)
    checkSecrets(tokens, 'token', ['bearer', 'tokens'], report)
    checkSecrets(users, 'password', ['basic', 'users'], report)
    checkIssuers(issuers, report)
    if (oauth2 !== undefined) checkIntrospection(oauth2, report)
    const guest = anonymous === true ? { roles: ['guest'] } : anonymous
    const grants: Granted[] = [
      ...grantsIn(['apiKeys', 'static'], apiKeys.static),
      ...grantsIn(['bearer', 'tokens'], tokens),
      ...grantsIn(['jwt', 'issuers'], issuers),
      ...grantsIn(['basic', 'users'], users),
      ...(oauth2 === undefined ? [] : [[['oauth2'], oauth2] as const]),
      ...(guest === false ? [] : [[['anonymous'], guest] as const]),
    ]
    checkRoles(rbac, grants, report)
    checkQuotas(rbac, quotas !== undefined && quotas.perUser !== false, report)
  },

  async setup(options, host) {
    const { methods, apiKeys, bearer, jwt, oauth2, basic, rbac } = options
    const recognised = new Recognised()
    const forget = () => recognised.clear()
    const store = methods.includes('api-key')
      ? await openKeyStore({
          ...apiKeys,
          rules: {
            roles: rbac?.enabled ? Object.keys(rbac.roles) : undefined,
            readsModels: apiKeys.models,
            counts: countedUnits(options.quotas, rbac),
          },
          host,
          onChange: forget,
        })
      : undefined
    const keys = staticKeys(apiKeys.static)
    const tokens = staticKeys(bearer.tokens)
    const identify: Readonly<Record<(typeof METHODS)[number], Identify>> = {
      'api-key': (credential, now) =>
        identifyStatic(credential, keys, 'api-key') ?? store!.identify(credential, now),
      bearer: (credential) => identifyStatic(credential, tokens, 'bearer'),
      jwt: await jwtMethod(jwt.issuers, host, forget),
      oauth2: await oauth2Method(oauth2, host),
      basic: identifyBasic(basic.users),
    }
    const quotas = options.quotas && new Quotas(options.quotas, rbac, host)
    const gate = new Gate({
      methods: methods.map((method) => identify[method]),
      acceptsQuery: apiKeys.query && methods.includes('api-key'),
      guest: guestOf(options.anonymous, apiKeys.pepper),
      refusals: refusalsFor(methods, options.realm),
      failures: new Failures(options.failures),
      tell: createTell(host, options.events),
      recognised,
      rbac,
      store,
      quotas,
    })
    return {
      request: (exchange) => gate.request(exchange),
      ...(quotas && {
        response: (exchange: ExchangeView) => quotas.response(exchange),
        done: (exchange: ExchangeView, outcome: Outcome) => quotas.done(exchange, outcome),
      }),
      close: () => store?.close(),
      admin: [...(store?.admin ?? []), ...(quotas ? quotaRoutes(host) : [])],
    }
  },
})

const NOBODY: Identify = () => undefined

/** Loaded where there is somebody to verify. */
async function jwtMethod(
  issuers: readonly IssuerOptions[],
  host: Host,
  onChange: () => void,
): Promise<Identify> {
  if (issuers.length === 0) return NOBODY
  const { identifyJwt } = await import('./jwt.ts')
  return identifyJwt(issuers, host, onChange)
}

async function oauth2Method(
  options: IntrospectionOptions | undefined,
  host: Host,
): Promise<Identify> {
  if (options === undefined) return NOBODY
  const { identifyIntrospected } = await import('./oauth2.ts')
  return identifyIntrospected(options, host)
}
