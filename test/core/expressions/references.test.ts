import { describe, expect, it } from 'vitest'
import { compile } from '#core/expressions/compile.ts'
import type { Scope } from '#core/expressions/expression.ts'
import { compiled, evaluate } from './evaluate.ts'

/** As the kernel's: fields are getters of a class, and there is more on it than rules may see. */
class Request {
  get method(): string {
    return 'POST'
  }

  get body() {
    return { model: 'claude-4', messages: [{ role: 'user', content: 'hi' }], n: null }
  }

  headers = { __proto__: null, 'x-team': 'blue', 'x.dotted': 'yes' }
  query = { __proto__: null, 'filter.name': 'ann' }
  secret = 'hidden'
}

const scope: Scope = {
  req: new Request(),
  consumer: { id: 'ann', roles: ['admin'] },
  vars: { seen: 2 },
  env: { REGION: 'eu' },
  now: 1_000,
  usage: { inputTokens: 3, outputTokens: 4, totalTokens: 7, cacheReadTokens: undefined },
  res: { status: 200, headers: { 'set-cookie': ['a=1', 'b=2'], etag: '"x"' }, body: { ok: true } },
}

describe('a $path', () => {
  it.each([
    ['$req.method', 'POST'],
    ['$req.body.model', 'claude-4'],
    ['$req.body.messages.0.role', 'user'],
    ['$req.body.messages[0].content', 'hi'],
    ['$req.body.messages.length', 1],
    ['$req.body.nowhere.deep', null],
    ['$req.body.n', null],
    ['$req.headers.X-Team', 'blue'],
    ['$req.headers.X.Dotted', 'yes'],
    ['$req.query.filter.name', 'ann'],
    ['$consumer', { id: 'ann', roles: ['admin'] }],
    ['$consumer.roles.0', 'admin'],
    ['$vars.seen', 2],
    ['$env.REGION', 'eu'],
    ['$env.NOT_SET', null],
    ['$now', 1_000],
    ['$usage.totalTokens', 7],
    ['$usage', { inputTokens: 3, outputTokens: 4, totalTokens: 7 }],
    ['$res.headers.Set-Cookie.1', 'b=2'],
    ['$res.headers.ETag', '"x"'],
    ['$upstream', null],
    ['$upstream.name', null],
  ])('%s reads %j', (path, value) => {
    expect(compiled(path, { scope: 'response' }).evaluate(scope)).toEqual(value)
    expect(compiled({ var: path.slice(1) }, { scope: 'response' }).evaluate(scope)).toEqual(value)
  })

  it.each(['$5', '$', '$ ', 'a $req.method', '$Hello there', '$-x'])(
    'is not meant by %j, which stays text',
    (text) => {
      expect(evaluate(text)).toBe(text)
    },
  )

  it.each([
    ['$$req.method', '$req.method'],
    ['$$', '$'],
    ['$$$5', '$$5'],
  ])('is escaped in %j', (source, text) => {
    expect(evaluate(source)).toBe(text)
  })

  it('has a default in the way of JsonLogic, for what is missing and not for null', () => {
    expect(evaluate({ var: ['req.body.nowhere', 7] }, {}, scope)).toBe(7)
    expect(evaluate({ var: ['req.body.n', 7] }, {}, scope)).toBe(null)
  })

  it('means the outer roots also inside of map, where var is relative to the item', () => {
    const rule = { map: ['$vars.list', { cat: [{ var: 'x' }, '$vars.suffix'] }] }
    expect(evaluate(rule, { list: [{ x: 'a' }, { x: 'b' }], suffix: '!' })).toEqual(['a!', 'b!'])
  })

  it('may be chosen by the data where all choices are written', () => {
    const rule = { var: { if: ['$vars.wide', 'req.body', 'req.method'] } }
    expect(evaluate(rule, { wide: false }, { req: new Request() })).toBe('POST')
    expect([...compiled(rule).reads]).toEqual(['request.body'])
  })

  it('is looked for by missing and missing_some', () => {
    const rule = { missing: ['req.body.model', 'req.body.n', 'consumer.id', 'vars.x'] }
    expect(compiled(rule).evaluate(scope)).toEqual(['req.body.n', 'vars.x'])
    const some = { missing_some: [1, ['vars.x', 'vars.seen']] }
    expect(compiled(some).evaluate(scope)).toEqual([])
  })
})

describe('what an expression reads', () => {
  it.each([
    ['$req.body.model', ['request.body']],
    ['$req.model', ['request.model']],
    ['$res.body', ['response.body']],
    [{ missing: ['req.body.a'] }, ['request.body']],
    [{ map: [[1], '$req.body.a'] }, ['request.body']],
    [{ eq: ['$req.method', '$isClaude'] }, ['request.body']],
    ['$req.headers.x', []],
  ])('%j: %j', (source, parts) => {
    const defines = { isClaude: { startsWith: ['$req.body.model', 'claude'] } }
    expect([...compiled(source, { scope: 'response', defines }).reads]).toEqual(parts)
  })

  it('tells which environment variables it needs', () => {
    const { env } = compile({ cat: ['$env.A', { var: ['env.B', ''] }] }, { scope: 'match' })
    expect(env).toEqual(['A', 'B'])
  })
})

describe('a define', () => {
  const defines = {
    isClaude: { startsWith: ['$req.body.model', 'claude'] },
    isBig: { and: ['$isClaude', { gt: [{ length: '$req.body.messages' }, 0] }] },
    limits: { literal: { free: 10, paid: 100 } },
    first: { var: 'vars.list.0' },
  }

  it('stands for its body', () => {
    expect(compiled('$isBig', { defines }).evaluate(scope)).toBe(true)
    expect(compiled({ var: 'isBig' }, { defines }).evaluate(scope)).toBe(true)
  })

  it('can be read further', () => {
    expect(compiled('$limits.paid', { defines }).evaluate({})).toBe(100)
  })

  it('means the same inside of map', () => {
    const rule = { map: [[1, 2], '$first'] }
    expect(compiled(rule, { defines }).evaluate({ vars: { list: ['x'] } })).toEqual(['x', 'x'])
  })
})
