import { afterEach, describe, expect, it, vi } from 'vitest'
import { explainRequest } from '#core/cli/explain/decide.ts'
import { loadConfig } from '#core/config/load.ts'
import { definePlugin, GatewayError, type Hooks, type Host, type Plugin } from '#core/sdk.ts'

const NO_OPTIONS = { type: 'object', additionalProperties: false, properties: {} } as const

/** A step of the test's own; `probe` stands below it and looks at what it left. */
function stepOf(make: (host: Host) => Hooks): Plugin {
  return definePlugin({
    name: 'own',
    stage: 'shape',
    summary: 'Made up.',
    schema: NO_OPTIONS,
    setup: (_options, host) => make(host),
  })
}

const ROUTES = `version: 1
upstreams: { demo: { dialect: demo }, other: { url: 'http://other.example' } }
pipelines:
  main:
    - own
    - own: { id: probe, when: { eq: [$vars.seen, true] } }
routes: [{ id: all, pipeline: main, upstream: demo }]
`

async function explain(own: Plugin, text = ROUTES) {
  const catalog = { names: ['own'], load: async () => own }
  const { config, problems } = await loadConfig('gateway.yaml', { text, env: {}, catalog })
  expect(problems).toEqual([])
  const described = {
    method: 'GET',
    target: '/x',
    headers: [],
    body: undefined,
    ip: '192.0.2.1',
    isWebSocket: false,
  }
  const options = { cwd: process.cwd(), now: 0, route: undefined }
  return explainRequest(config!, described, options)
}

afterEach(() => vi.useRealTimers())

describe('a request hook under explain', () => {
  it('hands variables on to later steps', async () => {
    const { steps } = await explain(stepOf(() => ({ request: () => ({ vars: { seen: true } }) })))
    expect(steps).toMatchObject([
      { decision: 'passes', detail: 'sets vars' },
      { decision: 'passes', when: { trace: { value: true } } },
    ])
  })

  it('chooses the upstream over the rule', async () => {
    const { upstream, rule } = await explain(
      stepOf(() => ({ request: () => ({ upstream: 'other' }) })),
    )
    expect(upstream).toEqual({
      name: 'other',
      by: 'step',
      method: 'GET',
      urls: ['http://other.example/x'],
    })
    expect(rule).toBeUndefined()
  })

  it('answers by itself, so that nothing below is reached', async () => {
    const { steps, upstream, refusal } = await explain(
      stepOf(() => ({ request: () => ({ answer: { status: 204 } }) })),
    )
    expect(steps).toMatchObject([
      { decision: 'answers', detail: 'status 204' },
      { decision: 'not reached' },
    ])
    expect({ upstream, refusal }).toEqual({ upstream: undefined, refusal: undefined })
  })

  it('refuses by throwing, too', async () => {
    const { steps, refusal } = await explain(
      stepOf(() => ({
        async request() {
          throw new GatewayError('RATE_LIMITED', 'too often')
        },
      })),
    )
    expect(steps[0]).toMatchObject({ decision: 'denies', detail: '429 RATE_LIMITED: too often' })
    expect(refusal).toEqual({ status: 429, code: 'RATE_LIMITED', message: 'too often' })
  })

  it('finds no network, and is said to be unknown while the rest is told', async () => {
    const { steps, upstream } = await explain(
      stepOf((host) => ({
        async request() {
          await host.fetch('https://keys.example/jwks')
        },
      })),
    )
    expect(steps[0]).toMatchObject({
      decision: 'unknown',
      detail: 'it cannot be tried here: it asks keys.example, and explain uses no network',
    })
    expect(upstream?.name).toBe('demo')
  })

  it('is given up when it never decides', async () => {
    vi.useFakeTimers()
    const asked = Promise.withResolvers<void>()
    const explained = explain(
      stepOf(() => ({
        request() {
          asked.resolve()
          return new Promise(() => {})
        },
      })),
      ROUTES.replace(/ +- own: .*\n/, ''),
    )
    await asked.promise
    await vi.advanceTimersByTimeAsync(3_000)
    const { steps } = await explained
    expect(steps[0]).toMatchObject({ decision: 'unknown' })
    expect(steps[0]?.detail).toContain('it did not decide within 3000 ms')
  })

  it('has what setup took given back', async () => {
    const closed: string[] = []
    await explain(stepOf((host) => ({ close: () => void closed.push(host.step.id) })))
    expect(closed).toEqual(['probe', 'own'])
  })
})

describe('a when that hits a limit of the language', () => {
  it('leaves its step unknown, and the request refused as the gateway would', async () => {
    const list = Array.from({ length: 3_000 }, () => 1)
    const text = ROUTES.replace(
      '{ eq: [$vars.seen, true] }',
      '{ map: [$vars.list, { map: [{ var: "" }, { map: [$vars.list, { var: "" }] }] }] }',
    )
    const own = stepOf(() => ({ request: () => ({ vars: { list: list.map(() => list) } }) }))
    const { steps, refusal } = await explain(own, text)
    expect(steps[1]).toMatchObject({ decision: 'unknown', detail: '`when` failed' })
    expect(steps[1]?.when?.error).toMatch(/\S/)
    expect(refusal?.code).toBe('PLUGIN_FAILED')
  })
})
