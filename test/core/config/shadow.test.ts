import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { MatchConfig } from '#core/config/model.ts'
import { shadowOf } from '#core/config/shadow.ts'
import { CLIENT_DIALECTS } from '#core/dialects/dialect.ts'
import { DIALECTS, endpointOf } from '#core/dialects/index.ts'
import { parsePathPattern } from '#core/kit/path-pattern.ts'

const ANY: MatchConfig = {
  methods: [],
  paths: [],
  hosts: [],
  headers: {},
  query: {},
  protocol: 'http',
  api: [],
  when: undefined,
}

const LLM = CLIENT_DIALECTS.filter((name) => name !== 'http')
const when = { test: () => false } as unknown as MatchConfig['when']

function isShadowed(later: Partial<MatchConfig>, ...earlier: Partial<MatchConfig>[]): boolean {
  const routes = earlier.map((match) => ({ match: { ...ANY, ...match } }))
  return shadowOf({ ...ANY, ...later }, routes) !== undefined
}

describe('a route is shadowed', () => {
  it.each<[string, Partial<MatchConfig>, Partial<MatchConfig>]>([
    ['by one without conditions', { paths: ['/a'] }, {}],
    ['by itself', { methods: ['GET'], paths: ['/a'] }, { methods: ['GET'], paths: ['/a'] }],
    ['by more methods', { methods: ['GET'] }, { methods: ['GET', 'POST'] }],
    ['by a wider path', { paths: ['/a/b'] }, { paths: ['/a/*'] }],
    ['by every path', {}, { paths: ['/*'] }],
    ['by a wider host', { hosts: ['x.example.com'] }, { hosts: ['*.example.com'] }],
    ['by fewer headers', { headers: { a: '1', b: '2' } }, { headers: { a: '*' } }],
    ['by its API', { api: ['anthropic'] }, { api: LLM }],
    ['by the paths of its API', { api: ['anthropic'] }, { paths: ['/v1/*'] }],
    ['by the API of its path', { methods: ['POST'], paths: ['/v1/messages'] }, { api: LLM }],
  ])('%s', (_, later, earlier) => {
    expect(isShadowed(later, earlier)).toBe(true)
  })

  it('by several that take a part each', () => {
    const later = { paths: ['/a', '/b'] }
    expect(isShadowed(later, { paths: ['/a'] }, { paths: ['/b'] })).toBe(true)
  })
})

describe('a route is not shadowed', () => {
  it.each<[string, Partial<MatchConfig>, Partial<MatchConfig>]>([
    ['by one with a condition that nobody can foresee', {}, { when }],
    ['by fewer methods', {}, { methods: ['GET'] }],
    ['by a narrower path', { paths: ['/a/*'] }, { paths: ['/a/b'] }],
    ['by a part of its paths', { paths: ['/a', '/b'] }, { paths: ['/a'] }],
    ['by a narrower host', { hosts: ['*.example.com'] }, { hosts: ['x.example.com'] }],
    ['by the domain above its host', { hosts: ['example.com'] }, { hosts: ['*.example.com'] }],
    ['by other headers', { headers: { a: '1' } }, { headers: { a: '2' } }],
    ['by other query parameters', { query: { a: '1' } }, { query: { b: '*' } }],
    ['by another protocol', { protocol: 'websocket' }, {}],
    ['by an API that it shares only a part with', { api: LLM }, { api: ['anthropic'] }],
    [
      'by an API whose endpoint asks for a header',
      { methods: ['GET'], paths: ['/v1/files/{id}'] },
      { api: ['anthropic'] },
    ],
    [
      'by an API whose endpoint a header can give to another',
      { methods: ['GET'], paths: ['/v1/models'] },
      { api: ['openai-chat'] },
    ],
  ])('%s', (_, later, earlier) => {
    expect(isShadowed(later, earlier)).toBe(false)
  })
})

describe('under fuzz', () => {
  const paths = ['/v1/models', '/v1/messages', '/v1/chat/completions', '/a', '/a/b', '/']
  const some = <T>(...values: T[]) => fc.subarray(values, { maxLength: 2 })
  const fields = fc.constantFrom<Record<string, string>>(
    {},
    { 'anthropic-version': '*' },
    { x: '1' },
  )
  const match: fc.Arbitrary<MatchConfig> = fc.record({
    methods: some('GET', 'POST'),
    paths: some('/v1/models', '/v1/*', '/{x}', '/a/b', '/v1/{y}/completions', '/*'),
    hosts: some('*.x', 'a.x', 'b'),
    headers: fields,
    query: fc.constant({}),
    protocol: fc.constant('http' as const),
    api: some(...LLM),
    when: fc.constant(undefined),
  })
  const request = fc.record({
    method: fc.constantFrom('GET', 'POST', 'DELETE'),
    path: fc.constantFrom(...paths),
    host: fc.constantFrom('a.x', 'b.a.x', 'b'),
    headers: fc.constantFrom<Record<string, string>>({}, { 'anthropic-version': '1' }, { x: '1' }),
  })

  type Request = typeof request extends fc.Arbitrary<infer R> ? R : never

  /** What the kernel does, in the plainest words. */
  function matches(route: MatchConfig, req: Request): boolean {
    const api = endpointOf(req.method, req.path, req.headers)?.dialect
    return (
      (route.methods.length === 0 || route.methods.includes(req.method)) &&
      (route.paths.length === 0 ||
        route.paths.some((path) => parsePathPattern(path).match(req.path))) &&
      (route.api.length === 0 || (api !== undefined && route.api.includes(api))) &&
      (route.hosts.length === 0 ||
        route.hosts.some((host) =>
          host.startsWith('*') ? req.host.endsWith(host.slice(1)) : host === req.host,
        )) &&
      Object.entries(route.headers).every(([name, value]) =>
        value === '*' ? name in req.headers : req.headers[name] === value,
      )
    )
  }

  it('leaves no request to a route that is shadowed', () => {
    const property = fc.property(
      fc.array(match, { minLength: 1, maxLength: 3 }),
      match,
      fc.array(request, { minLength: 20, maxLength: 20 }),
      (earlier, later, requests) => {
        const taker = shadowOf(
          later,
          earlier.map((match) => ({ match })),
        )
        if (taker === undefined) return true
        return requests.every(
          (req) => !matches(later, req) || earlier.some((route) => matches(route, req)),
        )
      },
    )
    expect(fc.check(property, { numRuns: 1_000 })).toMatchObject({ failed: false })
  })

  it('knows every endpoint that the routes know', () => {
    for (const { endpoints } of Object.values(DIALECTS)) {
      for (const { path } of endpoints) expect(() => parsePathPattern(path)).not.toThrow()
    }
  })
})
