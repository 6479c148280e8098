import { describe, expect, it } from 'vitest'
import { stringify } from 'yaml'
import { loadConfig } from '#core/config/load.ts'
import type { Config, StepConfig } from '#core/config/model.ts'
import { formatProblem } from '#core/config/problems.ts'
import type { Expression, Secret } from '#core/sdk.ts'
import { catalog } from './made-up-plugins.ts'

const ROUTE = `
routes:
  - { id: one, match: { path: /one }, upstream: ai, pipeline: main }
  - { id: two, match: { path: /two }, upstream: ai, pipeline: main, override: { meter: { limits: { tokens: 9 } } } }
`
const UPSTREAM = `
upstreams:
  ai: { url: 'https://ai.example/v1', keys: ['\${KEY}'], models: { fast: gpt-4o-mini }, timeouts: { connect: 2s } }
`
const PIPELINE = `
define: { isPost: { eq: [$req.method, POST] } }
pipelines:
  edge: [watcher, { badge: { pepper: '\${KEY}' } }]
  main:
    - use: edge
    - meter: { limits: { requests: 5, window: 10s, body: 2kb }, when: $isPost }
    - shaper: { value: { upper: [$req.body.model] }, id: first }
    - shaper
`
const TEXT = `version: 1\n${UPSTREAM}${PIPELINE}${ROUTE}`

async function load(text: string, env: Record<string, string> = { KEY: 'sk-1' }): Promise<Config> {
  const { config, problems } = await loadConfig('gateway.yaml', { text, env, catalog })
  if (config === undefined) throw new Error(problems.map(formatProblem).join('\n'))
  return config
}

const stepsOf = (config: Config, route = 0) => config.routes[route]!.steps
const step = (config: Config, plugin: string, route = 0): StepConfig =>
  stepsOf(config, route).find((one) => one.plugin.name === plugin)!

describe('a loaded config', () => {
  it('hands options to plugins checked, converted and frozen, without the reserved keys', async () => {
    const { options } = step(await load(TEXT), 'meter')
    expect(options).toEqual({ limits: { requests: 5, window: 10_000, body: 2_048 } })
    expect(Object.isFrozen((options as { limits: object }).limits)).toBe(true)
  })

  it('compiles expressions and opens secrets only where asked', async () => {
    const config = await load(TEXT)
    const { value } = step(config, 'shaper').options as { value: Expression }
    expect(value.evaluate({ req: { body: { model: 'x' } } })).toBe('X')
    const { pepper } = step(config, 'badge').options as { pepper: Secret }
    expect(pepper.reveal()).toBe('sk-1')
    expect(JSON.stringify(config.effective)).not.toContain('sk-1')
  })

  it('knows what steps read: by what they declare, by their options and by their condition', async () => {
    const config = await load(
      `version: 1\nupstreams: { ai: { dialect: demo } }\nroutes:\n  - id: a\n    upstream: ai\n    pipeline: [watcher, shaper, { watcher: { id: w, when: { eq: [$req.body.a, 1] } } }, { watcher: { id: v, only: { eq: [$res.body.a, 1] } } }]`,
    )
    expect(stepsOf(config).map(({ reads }) => [...reads])).toEqual([
      [],
      ['request.body'],
      ['request.body'],
      ['response.body'],
    ])
  })

  it('says where each step came from', async () => {
    const config = await load(TEXT)
    expect(step(config, 'badge')).toMatchObject({
      place: 'pipelines.edge[1]',
      position: { file: 'gateway.yaml', line: 8, column: 21 },
      origin: { use: ['edge'], override: undefined },
    })
    expect(step(config, 'meter', 1).origin).toMatchObject({
      use: [],
      override: { file: 'gateway.yaml' },
    })
  })

  it('leaves a broken step open where it observes, and closed elsewhere', async () => {
    const config = await load(TEXT)
    expect(stepsOf(config).map(({ onError }) => onError)).toEqual([
      'open',
      'closed',
      'closed',
      'closed',
      'closed',
    ])
  })

  it('is frozen, plugins excepted', async () => {
    const config = await load(TEXT)
    const parts = [config, config.server.limits, config.routes, config.routes[0]!.match]
    expect(parts.every((part) => Object.isFrozen(part))).toBe(true)
    expect(Object.isFrozen(step(config, 'meter').plugin)).toBe(false)
  })

  it('holds the environment variables that expressions read, and no others', async () => {
    const text = `version: 1\nupstreams: { ai: { dialect: demo } }\nroutes:\n  - { id: a, upstream: ai, match: { when: { eq: [$env.TIER, $env.OTHER] } } }`
    expect((await load(text, { TIER: 'gold', SECRET: 'x' })).env).toEqual({
      TIER: 'gold',
      OTHER: '',
    })
  })

  it('gives durations, models and keys of upstreams their form', async () => {
    expect((await load(TEXT)).upstreams.get('ai')).toMatchObject({
      dialects: ['http'],
      endpoints: [{ url: 'https://ai.example/v1', weight: 1, isTrusted: true }],
      timeouts: { connectMs: 2_000, firstByteMs: 120_000, idleMs: 60_000, totalMs: 600_000 },
      models: [{ pattern: 'fast', as: 'gpt-4o-mini' }],
    })
    const without = TEXT.replace("'${KEY}'], models", "'${NONE:-}'], models")
    expect((await load(without)).upstreams.get('ai')!.keys).toEqual([])
  })

  it('lets byModel prefer a name to a pattern, and the first of two patterns', async () => {
    const config = await load(
      `version: 1\nupstreams:\n  a: { dialect: demo, models: ['gpt-*', 'a*b*c'] }\n  b: { dialect: demo, models: ['gpt-4*', gpt-4o] }\nroutes: [{ id: r, upstream: { byModel: [] } }]`,
    )
    const { upstream, upstreams } = config.routes[0]!
    const choose = (model: string) => upstream!.evaluate({ req: { model } })
    expect(['gpt-4o', 'gpt-4.1', 'abxc', 'ab', 'llama'].map(choose)).toEqual([
      'b',
      'a',
      'a',
      null,
      null,
    ])
    expect(upstreams).toEqual(['a', 'b'])
    expect([...upstream!.reads]).toContain('request.model')
  })

  it('takes ports from outside over those of the file, and checks these', async () => {
    const options = { text: TEXT, env: { KEY: 'k' }, catalog }
    const taken = await loadConfig('gateway.yaml', { ...options, port: 9000, adminPort: 9000 })
    expect(taken.problems.map(({ message }) => message)).toEqual([
      'the admin listener has the same port as the gateway, 9000',
    ])
    const free = await loadConfig('gateway.yaml', { ...options, port: 0, adminPort: 0 })
    expect(free.config!.server).toMatchObject({ port: 0, admin: { port: 0 } })
  })

  it('tells which files to watch, also after a failure', async () => {
    const loaded = await loadConfig('gateway.yaml', {
      text: 'version: 3',
      env: {},
      catalog,
      cwd: '/x',
    })
    expect(loaded).toMatchObject({ config: undefined, files: ['/x/gateway.yaml'] })
  })
})

describe('the effective config', () => {
  it('loads again, and comes to itself', async () => {
    const keyless = TEXT.replace("{ badge: { pepper: '${KEY}' } }", 'badge')
    const first = await load(keyless.replace('${KEY}', '${NONE:-}'))
    const again = await load(stringify(first.effective))
    expect(again.effective).toEqual(first.effective)
  })
})

describe('fingerprints', () => {
  const prints = async (change: (text: string) => string, env?: Record<string, string>) => {
    const config = await load(change(TEXT), env)
    const routes = config.routes.map((route) => route.fingerprint)
    return { config, all: config.fingerprint, routes, upstream: config.upstreams.get('ai')! }
  }
  const same = (text: string) => text

  it('stay where nothing changed but the way it is written', async () => {
    const before = await prints(same)
    const after = await prints((text) =>
      text.replace(
        '{ requests: 5, window: 10s, body: 2kb }',
        '{ body: 2048, window: 10000, requests: 5 }',
      ),
    )
    expect([after.all, after.routes]).toEqual([before.all, before.routes])
  })

  it('change with a secret, where it is used', async () => {
    const before = await prints(same)
    const after = await prints(same, { KEY: 'sk-2' })
    expect(after.all).not.toBe(before.all)
    expect(after.upstream.fingerprint).not.toBe(before.upstream.fingerprint)
    const changed = stepsOf(after.config).map(
      (one, index) => one.fingerprint !== stepsOf(before.config)[index]!.fingerprint,
    )
    expect(changed).toEqual([false, true, false, false, false])
  })

  it('change with a definition, for the routes that use it', async () => {
    const before = await prints((text) => text.replace('when: $isPost', 'when: true'))
    const used = await prints((text) => text.replace('POST]', 'PUT]'))
    expect(used.routes[0]).not.toBe(before.routes[0])
    const unused = await prints((text) =>
      text.replace('when: $isPost', 'when: true').replace('POST]', 'PUT]'),
    )
    expect(unused.routes).toEqual(before.routes)
  })

  it('keep a step alive when only its condition changes', async () => {
    const before = step((await prints(same)).config, 'meter')
    const after = step(
      (await prints((text) => text.replace('when: $isPost', 'when: false'))).config,
      'meter',
    )
    expect([after.identity, after.fingerprint]).toEqual([before.identity, before.fingerprint])
  })

  it('tell steps apart by pipeline and id, and a changed one by its route', async () => {
    const { config } = await prints(same)
    expect(stepsOf(config, 1).map(({ identity }) => identity)).toEqual([
      'pipelines.edge.watcher',
      'pipelines.edge.badge',
      'routes.two/pipelines.main.meter',
      'pipelines.main.first',
      'pipelines.main.shaper',
    ])
    expect(step(config, 'badge', 1).identity).toBe(step(config, 'badge', 0).identity)
  })
})
