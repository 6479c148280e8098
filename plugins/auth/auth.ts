import { definePlugin, type Json, type Part } from '#core/sdk.ts'
import { identifyStatic, staticKeys } from './api-keys.ts'
import { checkMethods, checkRoles, checkSecrets, type Granted } from './check.ts'
import { Failures } from './failures.ts'
import { Gate, type Identify } from './gate.ts'
import { guestOf } from './guest.ts'
import { openKeyStore } from './key-store.ts'
import { ANONYMOUS, API_KEYS, BEARER, FAILURES, QUOTAS, RBAC } from './options.ts'
import { Recognised } from './recognised.ts'
import { refusalsFor } from './refusal.ts'
import { createTell } from './tell.ts'

const METHODS = ['api-key', 'bearer', 'jwt', 'oauth2', 'basic'] as const
const API_KEY_ONLY: Json[] = ['api-key']

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

  reads: ({ apiKeys, rbac }) => {
    const isByModel =
      apiKeys.models || Object.values(rbac?.roles ?? {}).some(({ models }) => models !== undefined)
    const parts: Part[] = isByModel ? ['request.model'] : []
    return parts
  },

  check({ methods, anonymous, apiKeys, bearer, rbac, quotas }, report) {
    checkSecrets(apiKeys.static, 'key', ['apiKeys', 'static'], report)
    checkSecrets(bearer.tokens, 'token', ['bearer', 'tokens'], report)
    checkMethods(
      methods,
      { bearer: bearer.tokens.length > 0, jwt: false, oauth2: false, basic: false },
      {
        bearer: ['bearer', 'tokens'],
        jwt: ['jwt', 'issuers'],
        oauth2: ['oauth2'],
        basic: ['basic', 'users'],
      },
      report,
    )
    if (quotas) report.warning(['quotas'], 'are not counted yet')
    const grants: Granted[] = [
      ...apiKeys.static.map((one, index): Granted => [['apiKeys', 'static', index], one]),
      ...bearer.tokens.map((one, index): Granted => [['bearer', 'tokens', index], one]),
    ]
    if (typeof anonymous === 'object') grants.push([['anonymous'], anonymous])
    if (anonymous === true) grants.push([[], { roles: ['guest'] }])
    checkRoles(rbac, grants, report)
  },

  async setup(options, host) {
    const { methods, apiKeys, bearer, rbac } = options
    const recognised = new Recognised()
    const store = methods.includes('api-key')
      ? await openKeyStore({
          ...apiKeys,
          rules: {
            roles: rbac?.enabled ? Object.keys(rbac.roles) : undefined,
            readsModels: apiKeys.models,
          },
          host,
          onChange: () => recognised.clear(),
        })
      : undefined
    const keys = staticKeys(apiKeys.static)
    const tokens = staticKeys(bearer.tokens)
    const identify: Readonly<Record<(typeof METHODS)[number], Identify>> = {
      'api-key': (credential, now) =>
        identifyStatic(credential, keys, 'api-key') ?? store!.identify(credential, now),
      bearer: (credential) => identifyStatic(credential, tokens, 'bearer'),
      jwt: () => undefined,
      oauth2: () => undefined,
      basic: () => undefined,
    }
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
    })
    return {
      request: (exchange) => gate.request(exchange),
      ...(store && { admin: store.admin }),
    }
  },
})
