import { describe, expect, it } from 'vitest'
import {
  checkDefines,
  compile,
  type ExpressionContext,
  type ExpressionProblem,
} from '#core/expressions/compile.ts'
import type { Json } from '#core/kit/json.ts'

/** As people read them: `path: message | hint`. */
function problemsOf(source: Json, context: Partial<ExpressionContext> = {}): string[] {
  return print(compile(source, { scope: 'request', ...context }).problems ?? [])
}

function print(problems: readonly ExpressionProblem[]): string[] {
  return problems.map(({ define, path, message, hint }) => {
    const place = [...(define === undefined ? [] : [`define ${define}`]), ...path].join('.')
    return `${place}: ${message}` + (hint === undefined ? '' : ` | ${hint}`)
  })
}

describe('operators', () => {
  it.each([
    [
      { startWith: ['a', 'b'] },
      'startWith: unknown operator "startWith" | did you mean startsWith?',
    ],
    [{ '&&': [true] }, '&&: unknown operator "&&" | did you mean and?'],
    [
      { contains: ['a', 'b'] },
      'contains: unknown operator "contains" | did you mean in: [what, where]?',
    ],
    [
      { json_object: 1 },
      'json_object: unknown operator "json_object" | for a plain map write literal: { … }',
    ],
    [
      { log: 1 },
      'log: log is not available: an expression has no effects | `sluice explain` prints the value of every sub-expression',
    ],
    [
      { eq: ['$req.path', 1], in: [1, [2]] },
      'in: two operators in one map: eq, in | an expression is a map with one key; join several with and: [{ … }, { … }]',
    ],
    [
      { type: 'text', text: 'x' },
      'text: a map of 2 keys is no expression | for a plain map write literal: { … }',
    ],
    [{ eq: [1] }, 'eq: eq takes 2 arguments, got 1'],
    [{ eq: 1 }, 'eq: eq takes 2 arguments, got 1'],
    [{ lt: [1, 2, 3, 4] }, 'lt: lt takes 2 or 3 arguments, got 4'],
    [{ and: [] }, 'and: and takes at least 1 argument, got 0'],
    [{ default: [1] }, 'default: default takes at least 2 arguments, got 1'],
    [
      { length: ['a', 'b'] },
      'length: length takes 1 argument, got 2 | a list as the argument is written length: [[ … ]]',
    ],
    [{ var: ['vars.a', 1, 2] }, 'var: var takes 0 to 2 arguments, got 3'],
    [{ missing_some: [['vars.a']] }, 'missing_some: missing_some takes 2 arguments, got 1'],
  ] as [Json, string][])('%j', (source, problem) => {
    expect(problemsOf(source)).toEqual([problem])
  })
})

describe('arguments that are looked at once, at load', () => {
  it.each([
    [
      { matches: ['$req.path', '(?=a)'] },
      'matches.1: "(?=a)" is not a pattern: invalid or unsupported Perl syntax: `(?=` | patterns are RE2: (?i) ignores case; there is no lookaround and no back-reference',
    ],
    [
      { matches: ['$req.path', '$req.path'] },
      'matches.1: expected a pattern that is written as text, got an expression',
    ],
    [{ matches: ['$req.path', 5] }, 'matches.1: expected a pattern that is written as text, got 5'],
    [
      { matches: ['$req.path', 'x'.repeat(1_001)] },
      'matches.1: a pattern has at most 1000 characters, got 1001',
    ],
    [
      { cidr: ['$req.ip', ['10.0.0.0/33']] },
      'cidr.1: expected an address or a network such as 10.0.0.0/8, got "10.0.0.0/33"',
    ],
    [
      { cidr: ['$req.ip', '$vars.networks'] },
      'cidr.1: expected networks that are written as text, such as 10.0.0.0/8, got an expression',
    ],
    [{ bucket: ['$consumer.id', 0] }, 'bucket.1: expected a whole number from 1 to 1000000, got 0'],
    [
      { bucket: ['$consumer.id', '$vars.n'] },
      'bucket.1: expected a whole number from 1 to 1000000, got an expression',
    ],
    [{ path: ['$vars', 'a..b'] }, 'path.1: empty segment in path "a..b"'],
    [{ path: ['$vars', [1]] }, 'path.1: expected a path such as a.b.0, got [1]'],
  ] as [Json, string][])('%j', (source, problem) => {
    expect(problemsOf(source)).toEqual([problem])
  })
})

describe('paths', () => {
  it.each([
    ['$req.metod', ': $req has no field "metod" | did you mean $req.method?'],
    [
      '$req.cookies',
      ': $req has no field "cookies" | its fields: method, path, query, headers, params, host, ip, protocol, dialect, model, body',
    ],
    [
      '$req',
      ': $req is not a value by itself | name one of its fields: method, path, query, headers, params, host, ip, protocol, dialect, model, body',
    ],
    ['$env', ': $env is not a value by itself | name one of its values: $env.NAME'],
    [
      '$consumr.plan',
      ': "$consumr" is neither a root nor a define | did you mean $consumer? (for the text itself write $$consumr.plan)',
    ],
    [
      '$ref',
      ': "$ref" is neither a root nor a define | did you mean $req? (for the text itself write $$ref)',
    ],
    [
      '$whatever',
      ': "$whatever" is neither a root nor a define | known here: $req, $env, $now, $consumer, $vars (for the text itself write $$whatever)',
    ],
    [
      '$res.status',
      ': $res is not available in request | known here: $req, $env, $now, $consumer, $vars (for the text itself write $$res.status)',
    ],
    [
      '$req.path is slow',
      ': "$req.path is slow" is not a path | text is not filled in; join its parts with cat (for the text itself write $$req.path is slow)',
    ],
    ['$req.body..a', ': empty segment in path "req.body..a"'],
    [
      { var: 'total' },
      'var: "total" is neither a root nor a define | known here: req, env, now, consumer, vars',
    ],
    [{ var: '' }, 'var: the scope as a whole is not a value | name a root, such as req.path'],
    [
      { var: '$req.path' },
      'var: var takes the path itself, got "$req.path" | write $req.path alone, or leave out the $',
    ],
    [
      { missing: ['$req.body.model'] },
      'missing: missing takes the path itself, got "$req.body.model" | leave out the $: req.body.model',
    ],
    [
      { var: { cat: ['vars.', '$req.path'] } },
      'var: the paths of var must be written here, not computed | to read a computed path, write path: [$req.body, …]',
    ],
    [
      { missing: '$$x' },
      'missing: "$x" is neither a root nor a define | known here: req, env, now, consumer, vars',
    ],
    [{ missing: ['req.metod'] }, 'missing: $req has no field "metod" | did you mean $req.method?'],
    [{ map: ['$vars.list', { var: 'a..b' }] }, 'map.1.var: empty segment in path "a..b"'],
  ] as [Json, string][])('%j', (source, problem) => {
    expect(problemsOf(source)).toEqual([problem])
  })
})

describe('scopes', () => {
  const body = 'route by body in `upstream:`, after the request is admitted'
  it.each([
    ['match', '$req.body.model', `: $req.body is not available in match | ${body}`],
    ['match', '$req.model', `: $req.model is not available in match | ${body}`],
    [
      'match',
      { var: 'consumer.id' },
      'var: consumer is not available in match | known here: req, env, now',
    ],
  ] as const)('in %s, %j', (scope, source, problem) => {
    expect(problemsOf(source as Json, { scope })).toEqual([problem])
  })

  it.each([
    ['match', ['req', 'env', 'now']],
    ['request', ['req', 'env', 'now', 'consumer', 'vars']],
    ['response', ['req', 'env', 'now', 'consumer', 'vars', 'res', 'upstream', 'usage']],
    ['chunk', ['req', 'env', 'now', 'consumer', 'vars', 'res', 'upstream', 'usage', 'chunk']],
    ['message', ['req', 'env', 'now', 'consumer', 'vars', 'upstream', 'msg']],
  ] as const)('%s knows %j and nothing else', (scope, roots) => {
    const paths = {
      req: 'path',
      env: 'A',
      now: '',
      consumer: 'id',
      vars: 'a',
      res: 'status',
      upstream: 'name',
      usage: 'totalTokens',
      chunk: 'json',
      msg: 'data',
    }
    const known = Object.entries(paths).filter(([root, rest]) => {
      const path = rest === '' ? `$${root}` : `$${root}.${rest}`
      return problemsOf(path, { scope }).length === 0
    })
    expect(known.map(([root]) => root).sort()).toEqual([...roots].sort())
  })

  it('are those of the place where a define is used, and the problem stands there', () => {
    const defines = {
      isFree: { eq: ['$consumer.plan', 'free'] },
      isLate: { and: ['$isFree', true] },
    }
    expect(problemsOf({ not: ['$isLate'] }, { scope: 'match', defines })).toEqual([
      'not.0: $isLate uses $consumer, which is not available in match | known here: $req, $env, $now',
    ])
  })

  it('hold for operators that somebody adds', () => {
    const operators = {
      byModel: { arity: [0, 0], scopes: ['request'], evaluate: () => null },
    } as const
    expect(problemsOf({ byModel: [] }, { scope: 'match', operators })).toEqual([
      'byModel: byModel is not available in match | it is available in: request',
    ])
  })
})

describe('defines', () => {
  it('are found wrong in their own place', () => {
    const defines = { bad: { and: [true, { eqq: [1, 2] }] } }
    const problem = 'define bad.and.1.eqq: unknown operator "eqq" | did you mean eq?'
    expect(problemsOf({ not: ['$bad'] }, { defines })).toEqual([problem])
    expect(problemsOf({ and: ['$bad', '$bad'] }, { defines })).toEqual([problem])
    expect(print(checkDefines(defines))).toEqual([problem])
  })

  it('that refer to themselves are told once, with the whole circle', () => {
    const defines = { a: { not: ['$b'] }, b: { or: ['$c', true] }, c: '$a', d: '$d', e: '$b' }
    expect(print(checkDefines(defines))).toEqual([
      'define a: define refers to itself: a → b → c → a',
      'define d: define refers to itself: d → d',
    ])
    expect(problemsOf('$e', { defines })).toEqual([
      'define a: define refers to itself: a → b → c → a',
    ])
  })

  it('must have a name that $ can find', () => {
    expect(print(checkDefines({ req: true, 'is free': true, 'is-free': true }))).toEqual([
      'define req: "req" is a root already, so $ would never find this define',
      'define is free: "is free" is no name for a define: expected letters, digits, _ and -, beginning with a letter',
    ])
  })

  it('may each be as large as one expression', () => {
    const big = { and: Array.from({ length: 400 }, () => ({ not: ['$now'] })) }
    const names = { a: big, b: big, c: big }
    const few = { and: Array.from({ length: 200 }, () => ({ not: ['$now'] })) }
    expect(checkDefines({ a: few, b: few, c: few })).toEqual([])
    expect(checkDefines(names).length).toBe(3)
  })
})

describe('results', () => {
  const results = { of: 'upstream', known: ['claude', 'openai'] }

  it('that are not among the known ones are told where they stand', () => {
    const source = { if: ['$vars.a', 'claud', { if: ['$vars.b', 7, 'x'] }] }
    expect(problemsOf(source, { results })).toEqual([
      'if.1: unknown upstream "claud" | did you mean claude?',
      'if.2.if.1: unknown upstream 7 | known: claude, openai',
      'if.2.if.2: unknown upstream "x" | known: claude, openai',
    ])
  })

  it('that are computed, known or null are accepted', () => {
    for (const source of ['$vars.up', 'claude', { if: ['$vars.a', 'openai'] }, null] as Json[]) {
      expect(problemsOf(source, { results })).toEqual([])
    }
  })
})

it('tells all problems at once', () => {
  const source = { if: [{ eqq: ['$req.metod', 1] }, { eq: [1], not: ['$nope'] }, '$res.status'] }
  expect(problemsOf(source).map((line) => line.split(':')[0])).toEqual([
    'if.0.eqq',
    'if.0.eqq.0',
    'if.1.not',
    'if.1.eq',
    'if.1.not.0',
    'if.2',
  ])
})
