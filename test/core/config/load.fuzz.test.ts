import * as fc from 'fast-check'
import { expect, it } from 'vitest'
import { loadConfig } from '#core/config/load.ts'
import { isObject, type Json } from '#core/kit/json.ts'
import { catalog } from './made-up-plugins.ts'

const CONFIG: Json = {
  version: 1,
  server: { port: 0, admin: { host: 'localhost', token: 't' }, trustProxy: ['10.0.0.0/8'] },
  store: 'memory:',
  plugins: {},
  upstreams: {
    a: { url: 'https://a.example', keys: ['k'], headers: { 'x-a': 'b' }, models: ['m*'] },
    b: { dialect: ['demo'], demo: { delay: '5ms' }, models: { x: 'y' } },
  },
  define: { isPost: { eq: ['$req.method', 'POST'] } },
  pipelines: {
    edge: ['watcher', { badge: { pepper: 'p' } }],
    main: [
      { use: 'edge' },
      { meter: { id: 'm', limits: { requests: 5, window: '1m' }, keys: ['a'] } },
      {
        shaper: {
          steps: [{ type: 'removeFields', fields: ['a'] }],
          mode: 'fast',
          value: '$isPost',
        },
      },
    ],
  },
  routes: [
    {
      id: 'one',
      match: { method: 'POST', path: ['/a/{b}', '/c/*'], host: '*.x', headers: { y: '*' } },
      pipeline: 'main',
      upstream: { byModel: [] },
      override: { m: { limits: { tokens: 3 } } },
    },
    { id: 'two', match: { api: 'llm', when: '$isPost' }, pipeline: ['keeper'], upstream: 'b' },
  ],
}

const anything = fc.oneof(
  fc.constantFrom<Json>(null, '', '$', '$isPost', 'use', -1, 0.5, [], {}, [[]], { use: 'main' }),
  fc.constantFrom<Json>(
    { '': '' },
    { watcher: null },
    { use: null },
    { if: [] },
    '/',
    '*',
    '{',
    '::',
  ),
  fc.jsonValue({ maxDepth: 2 }) as fc.Arbitrary<Json>,
)

/** A copy in which the value at one of the places, chosen by `steps`, is another. */
function spoil(value: Json, [at = 0, ...deeper]: readonly number[], replacement: Json): Json {
  if (!isObject(value) && !Array.isArray(value)) return replacement
  const keys = Object.keys(value)
  if (keys.length === 0 || deeper.length === 0) return replacement
  const key = keys[at % keys.length]!
  const below = spoil((value as Record<string, Json>)[key]!, deeper, replacement)
  if (!Array.isArray(value)) return { ...value, [key]: below }
  return value.map((item, index) => (String(index) === key ? below : item))
}

it('is sound before it is spoilt', async () => {
  const { problems } = await loadConfig('x.yaml', {
    text: JSON.stringify(CONFIG),
    env: {},
    catalog,
  })
  expect(problems.filter(({ severity }) => severity === 'error')).toEqual([])
})

it('never throws, and gives either a config or an error, whatever stands in the file', async () => {
  const path = fc.array(fc.nat({ max: 9 }), { minLength: 1, maxLength: 7 })
  const changes = fc.array(fc.tuple(path, anything), { minLength: 1, maxLength: 3 })
  const property = fc.asyncProperty(changes, async (changes) => {
    const spoilt = changes.reduce<Json>((tree, [at, value]) => spoil(tree, at, value), CONFIG)
    const text = JSON.stringify(spoilt)
    const { config, problems } = await loadConfig('x.yaml', { text, env: {}, catalog })
    const hasErrors = problems.some(({ severity }) => severity === 'error')
    return hasErrors === (config === undefined)
  })
  expect(await fc.check(property, { numRuns: 300 })).toMatchObject({ failed: false })
})
