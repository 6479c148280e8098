import { describe, expect, it } from 'vitest'
import { folderOf, sluice } from '../core/cli/command-line.ts'
import { startTestGateway } from '../support/gateway.ts'

/** A module of the plugin's own, and one that the sandbox brings. */
const WORDS = `export const greet = (text) => 'says ' + text`
const plugin = (setup: string, more = '') => `
import { definePlugin, GatewayError } from 'sluice'
import { greet } from './words.mjs'

export default definePlugin({
  name: 'acme',
  stage: 'shape',
  summary: 'Does what a test wants.',
  ${more}
  schema: {
    type: 'object',
    additionalProperties: false,
    properties: { text: { type: 'string', default: 'hello', description: 'What to say.' } },
  },
  setup(options, host) { ${setup} },
})
`
const config = (grants = '', options = '{}') => `
plugins: { acme: { from: ./acme.mjs ${grants} } }
upstreams: { demo: { dialect: demo } }
routes:
  - { id: all, match: { api: openai-chat }, pipeline: [acme: ${options}], upstream: demo }
`
const start = (code: string, grants?: string, options?: string) =>
  startTestGateway(config(grants, options), { files: { 'acme.mjs': code, 'words.mjs': WORDS } })

const CHAT = {
  method: 'POST',
  headers: { 'content-type': 'application/json', authorization: 'Bearer sk-secret' },
  body: JSON.stringify({ model: 'm', messages: [{ role: 'user', content: 'hi' }] }),
}
const ask = (url: string, body = CHAT.body) =>
  fetch(`${url}/v1/chat/completions`, { ...CHAT, body })

describe('a plugin of others, sandboxed', () => {
  it('runs its hooks with its options, its own modules and what it keeps', async () => {
    const code = plugin(`
      let n = 0
      return {
        request: () => { n++ },
        response: () => ({ headers: { 'x-acme': greet(options.text) + ' ' + n } }),
      }
    `)
    const { url } = await start(code, '', '{ text: servus }')
    expect((await ask(url)).headers.get('x-acme')).toBe('says servus 1')
    expect((await ask(url)).headers.get('x-acme')).toBe('says servus 2')
  })

  it('reads and changes bodies, as it declares', async () => {
    const code = plugin(
      `return { request: ({ req }) => ({ body: { ...req.body, model: 'other' } }) }`,
      `reads: ['request.body'], writes: ['request.body'],`,
    )
    const { url } = await start(code)
    expect(await (await ask(url)).json()).toMatchObject({ model: 'other' })
  })

  it('sees no credential, no process and no network', async () => {
    const code = plugin(`return { response: ({ req }) => ({ headers: {
      'x-acme': [req.headers.authorization, typeof process, typeof require, typeof fetch].join() } }) }`)
    const { url } = await start(code)
    expect((await ask(url)).headers.get('x-acme')).toBe(',undefined,undefined,undefined')
  })

  it('refuses by what it returns, and by what it throws', async () => {
    const code = plugin(`return { request({ req }) {
      if (req.headers['x-how'] === 'deny') return { deny: { status: 418, message: 'no tea' } }
      throw new GatewayError('RATE_LIMITED', 'too much tea')
    } }`)
    const { url } = await start(code)
    const denied = await fetch(`${url}/v1/models`, { headers: { 'x-how': 'deny' } })
    expect([denied.status, await denied.text()]).toEqual([418, expect.stringContaining('no tea')])
    expect((await fetch(`${url}/v1/models`)).status).toBe(429)
  })

  it('sees each event of a stream, and changes its text', async () => {
    const code = plugin(`return {
      chunk: (chunk) => chunk.text === undefined ? undefined : { text: chunk.text.toUpperCase() },
    }`)
    const { url } = await start(code)
    const body = JSON.stringify({
      model: 'm',
      stream: true,
      messages: [{ role: 'user', content: 'hi' }],
    })
    const text = await (await ask(url, body)).text()
    const said = [...text.matchAll(/"content":("(?:[^"\\]|\\.)*")/g)]
      .map(([, one]) => JSON.parse(one!) as string)
      .join('')
    expect(said).not.toBe('')
    expect(said).toBe(said.toUpperCase())
  })

  it('has the store where it is granted, and only there', async () => {
    const code = plugin(`return {
      async response() {
        const store = host.store.keyValue()
        const n = ((await store.get('n')) ?? 0) + 1
        await store.set('n', n, 60000)
        return { headers: { 'x-n': String(n) } }
      },
    }`)
    const granted = await start(code, ', allow: [store]')
    expect((await ask(granted.url)).headers.get('x-n')).toBe('1')
    expect((await ask(granted.url)).headers.get('x-n')).toBe('2')
    const refused = await start(code)
    expect((await ask(refused.url)).status).toBe(500)
    expect(
      JSON.stringify(refused.logs.map(({ fields }) => String((fields as { err?: unknown }).err))),
    ).toContain('host.store is not granted')
  })

  it.each([
    ['loops', 'for (;;);', 'SCRIPT_TIMEOUT'],
    ['waits for ever', 'return new Promise(() => {})', 'SCRIPT_FAILED'],
    ['allocates without end', 'const a = []; for (;;) a.push({ a })', 'SCRIPT_'],
    ['breaks the framing', "return { headers: { 'content-length': '5' } }", 'SCRIPT_FAILED'],
    ['says who is calling', "return { consumer: { id: 'root' } }", 'SCRIPT_FAILED'],
  ])('costs its own request an error where it %s, and goes on', async (_, hook, code) => {
    const { url } = await start(
      plugin(`return { request({ req }) { if (req.headers['x-bad']) { ${hook} } } }`),
    )
    const bad = await fetch(`${url}/v1/models`, { headers: { 'x-bad': '1' } })
    expect([bad.status, bad.headers.get('x-sluice-code')]).toEqual([
      500,
      expect.stringContaining(code),
    ])
    expect((await fetch(`${url}/v1/models`)).status).toBe(200)
  })

  it('that keeps failing is switched off, says so, and is tried again', async () => {
    let now = 1_000_000
    const code = plugin(`return { request({ req }) { if (req.headers['x-bad']) null.x } }`)
    const gateway = await startTestGateway(config(', breaker: { failures: 3, pause: 10s }'), {
      files: { 'acme.mjs': code, 'words.mjs': WORDS },
      now: () => now,
    })
    const models = async (headers = {}) =>
      (await fetch(`${gateway.url}/v1/models`, { headers })).status
    const state = async () => {
      const answer = await fetch(`${gateway.adminUrl}/admin/sandbox`)
      return ((await answer.json()) as { scripts: object[] }).scripts
    }
    for (let n = 0; n < 3; n++) expect(await models({ 'x-bad': '1' })).toBe(500)
    expect(await models()).toBe(500)
    expect(await state()).toMatchObject([{ sandbox: 'process', isOff: true }])
    now += 10_000
    expect(await models()).toBe(200)
    expect(await state()).toMatchObject([{ isOff: false }])
    const said = gateway.logs
      .map(({ message }) => message)
      .filter((message) => message.startsWith('plugin switched'))
    expect(said).toEqual(['plugin switched off', 'plugin switched on again'])
  })

  it.each([
    ['return { handle(ctx, next) { return next() } }', '', 'has the hook handle'],
    ['return { done() {} }', '', 'has the hook done'],
    ["throw new Error('not today')", '', 'not today'],
    ['for (;;);', '', 'it ran out of time'],
    ['return {}', 'reads: () => [],', 'declares reads by a function'],
  ])('is refused at load where it needs more: %s', async (setup, more, why) => {
    await expect(start(plugin(setup, more))).rejects.toThrow(why)
  })

  it('is listed with its trust and its grants', async () => {
    const cwd = await folderOf({
      'acme.mjs': plugin('return {}'),
      'words.mjs': WORDS,
      'gateway.yaml': `version: 1\n${config(', allow: [store]')}`,
    })
    const { code, stdout } = await sluice(['list'], { cwd })
    expect(code).toBe(0)
    expect(stdout).toMatch(
      /^shape +acme +Does what a test wants\. \(trust: sandboxed, allow: store\)$/m,
    )
  })
})
