import { Readable } from 'node:stream'
import { expect, test } from 'vitest'
import type { Hooks, Plugin } from '#core/sdk.ts'
import { readableSource } from '#core/kit/readable-source.ts'
import { startTestGateway } from '../../support/gateway.ts'
import { step } from '../../support/step.ts'
import { startUpstream } from '../../support/upstream.ts'

/** An upstream that answers with these bytes, in one piece each, behind a pipeline of `plugins`. */
async function start(
  plugins: readonly Plugin[],
  type: string,
  pieces: readonly string[],
  length?: number,
) {
  const upstream = await startUpstream(async (req, res) => {
    req.resume()
    res.writeHead(200, { 'content-type': type, ...(length && { 'content-length': length }) })
    for (const piece of pieces) {
      res.write(piece)
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
    res.end()
  })
  const names = plugins.map(({ name }) => name).join(', ')
  const gateway = await startTestGateway(
    `
upstreams: { up: { dialect: http, url: "${upstream.url}" } }
routes: [{ id: all, match: { path: /x }, pipeline: [${names}], upstream: up }]
`,
    { plugins },
  )
  return async () => fetch(`${gateway.url}/x`)
}

const later = <T>(value: T) => new Promise<T>((resolve) => setImmediate(() => resolve(value)))

test('a plain answer passes hooks that take their time as one chunk, innermost first, and then flush', async () => {
  const seen: unknown[] = []
  const inner: Hooks = {
    chunk: ({ json, isWhole }) => later((seen.push(isWhole), { json: { inner: json! } })),
    flush: () => later((seen.push('flush'), undefined)),
  }
  const outer: Hooks = { chunk: ({ json }) => ({ json: { outer: json! } }) }
  const ask = await start([step('outer', outer), step('inner', inner)], 'application/json', [
    '{"a":',
    '1}',
  ])
  const answer = await ask()
  expect(await answer.json()).toEqual({ outer: { inner: { a: 1 } } })
  expect(answer.headers.get('content-length')).toBe('27')
  expect(seen).toEqual([true, 'flush'])
})

test('a hook may hold all of a plain answer back, and give it in flush', async () => {
  let held = ''
  const hold: Hooks = {
    chunk: ({ data }) => ((held += data), null),
    flush: () => ({ data: held.toUpperCase() }),
  }
  const ask = await start([step('hold', hold)], 'text/html', ['<p>a</p>'], 8)
  expect(await (await ask()).text()).toBe('<P>A</P>')
})

test.each([
  ['at once', () => ({ deny: { message: 'not this', status: 451 } })],
  ['later', () => later({ deny: { message: 'not this', status: 451 } })],
])('a refusal takes the place of a plain answer: %s', async (_, chunk) => {
  const ask = await start([step('guard', { chunk })], 'application/json', ['{"a":1}'])
  const answer = await ask()
  expect(answer.status).toBe(451)
  expect(await answer.json()).toMatchObject({ code: 'DENIED', detail: 'not this' })
})

test('JSON by line passes line by line while it arrives, wherever it is cut', async () => {
  const seen: unknown[] = []
  const look: Hooks = {
    chunk({ json, isWhole }) {
      seen.push([json, isWhole])
      const { n } = json as { n: number }
      return n === 2 ? later({ json: { n: 'two' } }) : undefined
    },
  }
  const lines = ['{"n":', '1}\r\n{"n":2}\n\n{', '"n":3}']
  const ask = await start([step('look', look)], 'application/x-ndjson', lines)
  expect(await (await ask()).text()).toBe('{"n":1}\r\n{"n":"two"}\n\n{"n":3}')
  expect(seen).toEqual([
    [{ n: 1 }, false],
    [{ n: 2 }, false],
    [{ n: 3 }, false],
  ])
})

test('plain text of no known length passes in pieces, never cut within a character', async () => {
  const seen: string[] = []
  const look: Hooks = { chunk: ({ data }) => (seen.push(data), { data: data.toUpperCase() }) }
  const euro = Buffer.from('€')
  const pieces = ['ab', euro.subarray(0, 1), euro.subarray(1), 'c'] as unknown as string[]
  const ask = await start([step('look', look)], 'text/plain; charset=utf-8', pieces)
  expect(await (await ask()).text()).toBe('AB€C')
  expect(seen.join('')).toBe('ab€c')
  expect(seen.length).toBeGreaterThan(1)
})

test('JSON that a step streams is gathered for the hooks, an image is passed by', async () => {
  const made = (type: string, bytes: string) =>
    step('made', {
      handle(ctx) {
        ctx.status = 200
        ctx.set('content-type', type)
        ctx.exchange.stream = readableSource(Readable.from([Buffer.from(bytes), Buffer.from('}')]))
      },
    })
  const look = step('look', { chunk: ({ json }) => ({ json: { seen: json ?? null } }) })
  const json = await start([look, made('application/json', '{"a":1')], 'text/plain', [])
  expect(await (await json()).json()).toEqual({ seen: { a: 1 } })
  const image = await start([look, made('image/png', '{"a":1')], 'text/plain', [])
  expect(await (await image()).text()).toBe('{"a":1}')
})
