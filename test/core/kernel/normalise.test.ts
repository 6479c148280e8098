import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { GatewayError } from '#core/errors.ts'
import { normalisePath, parseQuery } from '#core/kernel/normalise.ts'

const STRICT = { allowEncodedSlashes: false }
const SLASHES = { allowEncodedSlashes: true }

describe('normalisePath', () => {
  it.each([
    ['/', '/'],
    ['/v1/chat/completions', '/v1/chat/completions'],
    ['/v1/models/gemini-2.5:generateContent', '/v1/models/gemini-2.5:generateContent'],
    ['/a/', '/a/'],
    ['//', '/'],
    ['//a///b//', '/a/b/'],
    ['/.', '/'],
    ['/..', '/'],
    ['/a/.', '/a/'],
    ['/a/..', '/'],
    ['/a/b/..', '/a/'],
    ['/a/./b', '/a/b'],
    ['/a/../../../b', '/b'],
    ['/a//../b', '/b'],
    ['/...', '/...'],
    ['/.well-known/x', '/.well-known/x'],
    ['/a/..b', '/a/..b'],
    ['/a;v=1/b', '/a;v=1/b'],
    ['/%7euser', '/~user'],
    ['/%41%2d%5f', '/A-_'],
    ['/%2e', '/'],
    ['/a/%2E%2e/b', '/b'],
    ['/a/.%2e', '/'],
    ['/%252e%252e/b', '/%252e%252e/b'],
    ['/a%20b', '/a%20b'],
    ['/%c3%a9', '/%C3%A9'],
    ['/%3f%23', '/%3F%23'],
    ['/[a]|"<>^`{}', '/%5Ba%5D%7C%22%3C%3E%5E%60%7B%7D'],
  ])('brings %s into the form %s', (target, path) => {
    expect(normalisePath(target, STRICT)).toEqual({ path, query: '' })
  })

  it('leaves the query as it came', () => {
    expect(normalisePath('/a?x=%2e%2F/../#'.slice(0, -1), STRICT)).toEqual({
      path: '/a',
      query: 'x=%2e%2F/../',
    })
    expect(normalisePath('/a/../b??', STRICT)).toEqual({ path: '/b', query: '?' })
  })

  it('lets encoded slashes stand where they are allowed', () => {
    expect(normalisePath('/a%2fb%5cc', SLASHES).path).toBe('/a%2Fb%5Cc')
    expect(() => normalisePath('/a%2fb', STRICT)).toThrow('allowEncodedSlashes')
  })

  it.each(['', 'a', '/%', '/%0', '/%0g', '/%00', '/%0d', '/\\', '/#', '/é', '/ ', '/\t', '/%ff'])(
    'refuses %j',
    (target) => {
      expect(() => normalisePath(target, SLASHES)).toThrow(GatewayError)
    },
  )

  it('is idempotent, and leaves no dot segment, no empty one and nothing half decoded', () => {
    const piece = fc.oneof(
      fc.constantFrom('/', '.', '..', '//', '%2e', '%2E', '%2f', '%5c', '%25', '%c3%a9', '%', ';'),
      fc.constantFrom('a', 'B', '~', '%41', '%7E', '%7', '{', '\\', '?', '#', ' ', '%00', '%0d'),
      fc.string({ maxLength: 3 }),
    )
    fc.assert(
      fc.property(fc.array(piece), fc.boolean(), (pieces, allowEncodedSlashes) => {
        const options = { allowEncodedSlashes }
        let once
        try {
          once = normalisePath(`/${pieces.join('')}`, options)
        } catch (error) {
          if (error instanceof GatewayError) return
          throw error
        }
        const { path, query } = once
        const target = query === '' ? path : `${path}?${query}`
        expect(normalisePath(target, options)).toEqual(once)
        expect(path).toMatch(/^\/(?:[^/]+\/)*[^/]*$/)
        expect(path).not.toMatch(/\/\.\.?(?:[/;]|$)/)
        expect(path).not.toMatch(/%(?:[a-f]|.[a-f]|2[DE]|3\d|4[1-9A-F]|5F|7E|00)/)
        expect(() => decodeURIComponent(path)).not.toThrow()
        // What a URL parser makes of it is the same path: the upstream cannot be led elsewhere.
        expect(new URL(path, 'http://upstream').pathname).toBe(path)
      }),
      { numRuns: 5_000 },
    )
  })

  it('takes a long path in linear time', () => {
    const start = performance.now()
    for (const unit of ['/..', '/a', '//', '%2e', '/%41', ';']) {
      normalisePath(`/${unit.repeat(100_000)}`, STRICT)
    }
    expect(performance.now() - start).toBeLessThan(2_000)
  })
})

describe('parseQuery', () => {
  it('gives the first value of each parameter, decoded', () => {
    expect({ ...parseQuery('a=1&b=x%20y+z&a=2&c&=d&&e=f=g') }).toEqual({
      a: '1',
      b: 'x y z',
      c: '',
      '': 'd',
      e: 'f=g',
    })
  })

  it('keeps an escape that is broken as it came', () => {
    expect({ ...parseQuery('a=%zz&b=%ff&%=1') }).toEqual({ a: '%zz', b: '%ff', '%': '1' })
  })

  it('holds a parameter named __proto__ like any other', () => {
    const query = parseQuery('__proto__=1&constructor=2')
    expect(query['__proto__']).toBe('1')
    expect(query['constructor']).toBe('2')
    expect(query['toString']).toBeUndefined()
  })

  it('refuses more parameters than it looks at', () => {
    expect(
      Object.keys(parseQuery(Array.from({ length: 256 }, (_, i) => `a${i}`).join('&'))),
    ).toHaveLength(256)
    expect(() => parseQuery('a&'.repeat(257))).toThrow('more than 256 query parameters')
  })

  it('agrees with URLSearchParams', () => {
    const piece = fc.constantFrom('a', 'b', '=', '&', '+', '%20', '%41', '%C3%A9', '?', '/')
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 40 }), (pieces) => {
        const query = pieces.join('')
        const expected = new Map<string, string>()
        for (const [name, value] of new URLSearchParams(`&${query}`)) {
          if (!expected.has(name)) expected.set(name, value)
        }
        expect(new Map(Object.entries(parseQuery(query)))).toEqual(expected)
      }),
      { numRuns: 1_000 },
    )
  })
})
