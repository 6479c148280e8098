import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { covers, parsePathPattern, PathPatternError } from '#core/kit/path-pattern.ts'

const match = (pattern: string, path: string) => {
  const params = parsePathPattern(pattern).match(path)
  return params && { ...params }
}

describe('a path pattern', () => {
  it.each([
    ['/', '/', {}],
    ['/v1/chat/completions', '/v1/chat/completions', {}],
    ['/v1/models/{model}', '/v1/models/gpt-4o', { model: 'gpt-4o' }],
    ['/{model}:generate', '/a:b:generate', { model: 'a:b' }],
    ['/v{major}/x', '/v2/x', { major: '2' }],
    ['/files/*', '/files/a/b', { '*': 'a/b' }],
    ['/files/*', '/files/', { '*': '' }],
    ['/*', '/', { '*': '' }],
    ['/{tenant}/*', '/acme/v1/x', { tenant: 'acme', '*': 'v1/x' }],
    ['/a/', '/a/', {}],
  ])('%s matches %s', (pattern, path, params) => {
    expect(match(pattern, path)).toEqual(params)
  })

  it.each([
    ['/', '/a'],
    ['/v1/models/{model}', '/v1/models/'],
    ['/v1/models/{model}', '/v1/models'],
    ['/v1/models/{model}', '/v1/models/a/b'],
    ['/v1/models/{model}', '/v1/models/a/'],
    ['/{model}:generate', '/:generate'],
    ['/{model}:generate', '/x:Generate'],
    ['/ab{x}ba', '/aba'],
    ['/files/*', '/files'],
    ['/files/*', '/filesystem/a'],
    ['/a', '/a/'],
    ['/a', 'a'],
    ['/{x}', ''],
  ])('%s does not match %s', (pattern, path) => {
    expect(match(pattern, path)).toBeUndefined()
  })

  it('hands out values as they stand, so that nothing is decoded twice', () => {
    expect(match('/{x}', '/%252e')).toEqual({ x: '%252e' })
  })

  it('gives a map without a prototype', () => {
    const params = parsePathPattern('/{toString}').match('/x')
    expect(Object.getPrototypeOf(params)).toBeNull()
  })

  it.each([
    ['v1', 0, 'a path begins with a slash, got "v1"'],
    ['/a//b', 3, 'two slashes in a row match no path'],
    ['/a/*/b', 3, '* stands for the rest of a path and must be its last segment'],
    ['/a*', 2, '* stands for the rest of a path and must be its last segment'],
    ['/{a}/{a}', 5, '{a} stands twice in one path'],
    ['/{a}-{b}', 5, 'only one {name} may stand in a segment'],
    ['/{a', 1, '{ without a }'],
    ['/a}', 2, '} without a {'],
    ['/{}', 2, '"" cannot be the name of a segment'],
    ['/{__proto__}', 2, '"__proto__" cannot be the name of a segment'],
    ['/a?b=c', 2, '"?" cannot stand in a path'],
    ['/a/../b', 3, '".." cannot stand in a path'],
    ['/./b', 1, '"." cannot stand in a path'],
    ['/%20', 1, '"%" cannot stand in a path'],
  ])('refuses %s at %i', (pattern, offset, message) => {
    const thrown = catchError(() => parsePathPattern(pattern))
    expect(thrown).toMatchObject({ message, offset })
  })
})

describe('covers', () => {
  it.each([
    ['/*', '/a/b'],
    ['/*', '/'],
    ['/a/*', '/a/{x}/b'],
    ['/a/*', '/a/'],
    ['/a/*', '/a/b/*'],
    ['/{x}', '/a'],
    ['/{x}', '/{y}'],
    ['/{x}:go', '/a{x}:go'],
    ['/{x}', '/{y}:go'],
  ])('%s covers %s', (a, b) => {
    expect(covers(parsePathPattern(a), parsePathPattern(b))).toBe(true)
  })

  it.each([
    ['/a', '/{x}'],
    ['/a/*', '/a'],
    ['/a/*', '/*'],
    ['/{x}', '/'],
    ['/{x}', '/{x}/b'],
    ['/{x}/b', '/{x}'],
    ['/{x}', '/*'],
    ['/a{x}', '/{x}'],
    ['/{x}:go', '/:go'],
  ])('%s does not cover %s', (a, b) => {
    expect(covers(parsePathPattern(a), parsePathPattern(b))).toBe(false)
  })
})

describe('under fuzz', () => {
  const segment = fc.constantFrom('a', 'b', 'ab', 'a:b', '')
  const path = fc.array(segment, { maxLength: 4 }).map((parts) => `/${parts.join('/')}`)
  const piece = fc.constantFrom('a', 'b', 'ab', '{x}', 'a{x}', '{x}b', '{x}:b')
  const pattern = fc
    .tuple(fc.array(piece, { maxLength: 3 }), fc.constantFrom('', '/*', '/'))
    .map(([parts, end]) => {
      // A name may stand once in a pattern.
      const named = parts.map((part, index) => part.replace('x', `x${index}`))
      return `${named.map((part) => `/${part}`).join('')}${end}` || '/'
    })

  it('throws nothing but its own error', () => {
    const property = fc.property(fc.string(), fc.string(), (source, text) => {
      const result = catchError(() => parsePathPattern(`/${source}`).match(text))
      return !(result instanceof Error) || result instanceof PathPatternError
    })
    expect(fc.check(property)).toMatchObject({ failed: false })
  })

  it('lets a pattern that covers another match all that the other matches', () => {
    const property = fc.property(pattern, pattern, path, (a, b, text) => {
      const [wide, narrow] = [parsePathPattern(a), parsePathPattern(b)]
      return !covers(wide, narrow) || !narrow.match(text) || wide.match(text) !== undefined
    })
    expect(fc.check(property, { numRuns: 5_000 })).toMatchObject({ failed: false })
  })

  it('puts a path together again from what it cut out', () => {
    const property = fc.property(pattern, path, (source, text) => {
      const params = parsePathPattern(source).match(text)
      if (!params) return true
      const open = source.replace(/\*$/, () => params['*']!)
      return open.replaceAll(/\{(\w+)\}/g, (_, name: string) => params[name]!) === text
    })
    expect(fc.check(property, { numRuns: 1_000 })).toMatchObject({ failed: false })
  })
})

function catchError(run: () => unknown): unknown {
  try {
    return run()
  } catch (error) {
    return error
  }
}
