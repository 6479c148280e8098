import { describe, expect, it } from 'vitest'
import type { Json, JsonObject } from '#core/kit/json.ts'
import { checkOptions } from '#core/testing/options.ts'
import { type TestedPlugin, type TestRequest, testPlugin } from '#core/testing.ts'
import { matches } from '#plugins/auth/access.ts'
import auth from '#plugins/auth/auth.ts'
import { startTestGateway } from '../support/gateway.ts'
import { step } from '../support/step.ts'

const ROLES = {
  admin: { permissions: ['*'], rateLimit: 'unlimited' },
  user: { permissions: ['read', 'write'], rateLimit: 'standard' },
  guest: { permissions: ['read'], rateLimit: 'restricted' },
}

const keyOf = (id: string) => `key-of-${id}-0123456789`

/** A step with one key per entry: its id and its roles. */
function withKeys(
  entries: Readonly<Record<string, JsonObject>>,
  rbac: JsonObject = { roles: ROLES },
) {
  const keys = Object.entries(entries).map(([id, more]) => ({ id, key: keyOf(id), ...more }))
  return { apiKeys: { static: keys }, rbac, events: 'all' } as JsonObject
}

const EVERYBODY = {
  root: { roles: ['admin'] },
  ada: { roles: ['user'] },
  eve: { roles: ['guest'] },
  nil: {},
  odd: { roles: ['user'], rateLimit: 'special' },
}

function as(tested: TestedPlugin, id: string, request: TestRequest) {
  return tested.request({ ...request, headers: { 'x-api-key': keyOf(id), ...request.headers } })
}

const CHAT: TestRequest = { path: '/v1/chat/completions', body: { model: 'gpt-4o', messages: [] } }
const MODELS: TestRequest = { path: '/v1/models' }

describe('roles', () => {
  it.each<[string, TestRequest, number]>([
    ['root', CHAT, 200],
    ['ada', CHAT, 200],
    ['eve', CHAT, 403],
    ['nil', CHAT, 403],
    ['root', MODELS, 200],
    ['ada', MODELS, 200],
    ['eve', MODELS, 200],
    ['nil', MODELS, 403],
    ['eve', { method: 'DELETE', path: '/v1/files/a' }, 403],
    ['eve', { method: 'HEAD', path: '/v1/models' }, 200],
    ['eve', { path: '/v1/messages/count_tokens', body: {} }, 200],
    ['eve', { path: '/v1/models', protocol: 'websocket' }, 403],
    // Some frameworks take another method from a header field; this is no framework.
    ['eve', { ...CHAT, headers: { 'x-http-method-override': 'GET' } }, 403],
    ['eve', { method: 'PROPFIND', path: '/v1/models' }, 403],
  ])('let %s do what they are for: %o', async (id, request, status) => {
    const tested = await testPlugin(auth, withKeys(EVERYBODY))
    expect((await as(tested, id, request)).status).toBe(status)
  })

  it('say what is missing, in the dialect of the client', async () => {
    const tested = await testPlugin(auth, withKeys(EVERYBODY))
    const { body, error } = await as(tested, 'eve', CHAT)
    expect(error?.code).toBe('DENIED')
    expect(body).toMatchObject({ error: { message: 'the permission "write" is missing' } })
    expect((await as(tested, 'nil', CHAT)).error?.message).toContain('this consumer has no role')
    expect(tested.emitted.at(-1)?.data).toMatchObject({ result: 'denied', consumer: 'nil' })
  })

  it('give permissions and the rate level of the first that has one', async () => {
    const rbac = { roles: { ...ROLES, extra: { permissions: ['billing'] } } }
    const seen: JsonObject[] = []
    const keep = step('keep', { request: ({ consumer }) => void seen.push({ ...consumer }) })
    const keys = { a: ['guest', 'user'], b: ['extra'], c: ['extra', 'guest'] }
    const entries = Object.fromEntries(Object.entries(keys).map(([id, roles]) => [id, { roles }]))
    const options = withKeys({ ...entries, odd: EVERYBODY.odd }, rbac)
    const gateway = await startTestGateway(
      `
upstreams: { demo: { dialect: demo } }
pipelines: { main: [ { auth: ${JSON.stringify(options)} }, keep ] }
routes: [{ id: all, pipeline: main, upstream: demo }]
`,
      { plugins: [keep] },
    )
    for (const id of ['a', 'c', 'odd']) {
      await fetch(`${gateway.url}/v1/models`, { headers: { 'x-api-key': keyOf(id) } })
    }
    expect(seen.map(({ permissions, rateLimit }) => [permissions, rateLimit])).toEqual([
      [['read', 'write'], 'standard'],
      [['read', 'billing'], 'restricted'],
      [['read', 'write'], 'special'],
    ])
  })

  it('may allow single operations', async () => {
    const rbac = { roles: { bot: { permissions: ['generate', 'embeddings'] } } }
    const tested = await testPlugin(auth, withKeys({ bot: { roles: ['bot'] } }, rbac))
    const statuses = async (...paths: string[]) =>
      Promise.all(paths.map(async (path) => (await as(tested, 'bot', { path, body: {} })).status))
    expect(
      await statuses(
        '/v1/chat/completions',
        '/v1/responses',
        '/v1/messages',
        '/v1beta/models/gemini-2.5-flash:streamGenerateContent',
        '/v1/embeddings',
      ),
    ).toEqual([200, 200, 200, 200, 200])
    expect(await statuses('/v1/files', '/v1/batches', '/elsewhere')).toEqual([403, 403, 403])
  })

  it('are asked for the permission that the step names', async () => {
    const roles = { ...ROLES, clerk: { permissions: ['billing'] } }
    const rbac = { roles, permission: 'billing' }
    const entries = { ...EVERYBODY, joe: { roles: ['clerk'] } }
    const tested = await testPlugin(auth, withKeys(entries, rbac))
    expect((await as(tested, 'joe', MODELS)).status).toBe(200)
    expect((await as(tested, 'root', MODELS)).status).toBe(200)
    expect((await as(tested, 'ada', MODELS)).error?.message).toContain('"billing" is missing')
  })

  it('limit routes, methods and models; one role must allow all of a request', async () => {
    const rbac = {
      roles: {
        small: { permissions: ['*'], models: ['gpt-4o-mini', 'claude-*'] },
        reader: { permissions: ['read'], methods: ['GET'] },
        elsewhere: { permissions: ['*'], routes: ['other'] },
      },
    }
    const tested = await testPlugin(
      auth,
      withKeys(
        {
          a: { roles: ['small'] },
          b: { roles: ['reader'] },
          c: { roles: ['elsewhere'] },
          d: { roles: ['elsewhere', 'reader'] },
        },
        rbac,
      ),
    )
    const chat = (model: unknown) => ({ ...CHAT, body: { model, messages: [] } as Json })
    expect((await as(tested, 'a', chat('gpt-4o-mini'))).status).toBe(200)
    expect((await as(tested, 'a', chat('claude-opus-4'))).status).toBe(200)
    const denied = await as(tested, 'a', chat('gpt-4o'))
    expect(denied.error).toMatchObject({ code: 'DENIED', param: 'model' })
    expect((await as(tested, 'a', chat(undefined))).status).toBe(403)
    expect((await as(tested, 'a', MODELS)).status).toBe(200)
    expect((await as(tested, 'b', MODELS)).status).toBe(200)
    expect((await as(tested, 'b', { method: 'HEAD', path: '/x' })).status).toBe(403)
    expect((await as(tested, 'c', MODELS)).error?.message).toContain('the route "test"')
    expect((await as(tested, 'd', MODELS)).status).toBe(200)
    expect((await as(tested, 'd', CHAT)).status).toBe(403)
  })

  it('read the body only where they limit models', () => {
    const reads = (options: JsonObject) => [...checkOptions(auth, options).reads]
    expect(reads(withKeys(EVERYBODY))).toEqual([])
    expect(reads({ rbac: { roles: { a: { models: ['x'] } } } })).toEqual(['request.model'])
    expect(reads({ apiKeys: { models: true } })).toEqual(['request.model'])
  })

  it('do not widen what a key is limited to', async () => {
    const tested = await testPlugin(auth, { ...withKeys({}), apiKeys: { models: true } })
    const wish = { name: 'small', roles: ['admin'], models: ['gpt-4o-mini'], routes: ['test'] }
    const { body } = await tested.admin('POST', '/keys', wish)
    const headers = { 'x-api-key': (body as { key: string }).key }
    expect((await tested.request({ ...CHAT, headers })).status).toBe(403)
    const small = { ...CHAT, headers, body: { model: 'gpt-4o-mini', messages: [] } }
    expect((await tested.request(small)).status).toBe(200)
  })

  it('are looked at nowhere where they are not enabled', async () => {
    const tested = await testPlugin(auth, withKeys(EVERYBODY, { enabled: false, roles: ROLES }))
    expect((await as(tested, 'nil', CHAT)).status).toBe(200)
  })
})

describe('sluice check', () => {
  it.each<[JsonObject, string]>([
    [
      withKeys({ a: { roles: ['usr'] } }),
      'apiKeys.static[0].roles[0]: the role "usr" is not defined\n  hint: did you mean user?',
    ],
    [{ anonymous: true, rbac: { roles: { user: {} } } }, 'the role "guest" is not defined'],
    [{ rbac: {} }, 'rbac.roles: is empty, so everything is denied'],
  ])('refuses what would deny by mistake', (options, message) => {
    expect(() => checkOptions(auth, options)).toThrow(message)
  })

  it.each<[JsonObject, string]>([
    [
      { rbac: { roles: { a: { permissions: ['raed'] } } } },
      'no request asks for "raed"\n  hint: did you mean read?',
    ],
    [{ methods: ['bearer'] }, 'methods[0]: bearer accepts nobody'],
    [{ bearer: { tokens: [{ id: 'a', token: keyOf('a') }] } }, 'bearer: is not used'],
  ])('warns of what does nothing', (options, message) => {
    expect(checkOptions(auth, options).warnings.join('\n')).toContain(message)
  })
})

describe('sluice check', () => {
  const oauth2 = { introspection: 'https://a.test/i', clientId: 'a', clientSecret: 'secret' }
  const basic = { users: [{ name: 'ada', password: 'password' }] }
  const bearer = { tokens: [{ id: 'a', token: keyOf('a') }] }
  const jwt = { issuers: [{ issuer: 'https://a.test', audience: ['a'] }] }

  it.each<[string, JsonObject]>([
    ['oauth2', { oauth2 }],
    ['basic', { basic }],
    ['bearer', { bearer }],
    ['jwt', { jwt }],
  ])('says where %s is configured and not used, or used and not configured', (method, section) => {
    const warned = (options: JsonObject) => checkOptions(auth, options).warnings
    expect(warned({ methods: [method], ...section })).toEqual([])
    expect(warned(section)).toEqual([`${method}: is not used: ${method} is not one of methods`])
    expect(warned({ methods: [method] })).toEqual([
      expect.stringContaining(`methods[0]: ${method} accepts nobody`),
    ])
  })
})

describe('a pattern of models', () => {
  it.each([
    ['gpt-4o', 'gpt-4o', true],
    ['gpt-4o', 'gpt-4o-mini', false],
    ['gpt-*', 'gpt-4o', true],
    ['*-mini', 'gpt-4o-mini', true],
    ['a*b*c', 'axbxc', true],
    ['a*b*c', 'acb', false],
    ['aba*aba', 'ababa', false],
    ['*', '', true],
    ['.*', 'x', false],
  ])('%s and %s: %s', (pattern, model, isMatch) => {
    expect(matches(pattern, model)).toBe(isMatch)
  })
})
