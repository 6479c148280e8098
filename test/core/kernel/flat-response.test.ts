import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { connect } from 'node:net'
import fc from 'fast-check'
import { expect, onTestFinished, test } from 'vitest'
import { FlatResponse } from '#core/kernel/flat-response.ts'

type Act = (res: ServerResponse) => unknown

/** What a response shows of its head before it is written, and then writes; or what it threw. */
async function shown(Response: typeof ServerResponse, act: Act) {
  let seen: unknown
  const server = createServer({ ServerResponse: Response }, (_, res) => {
    res.sendDate = false
    try {
      act(res)
      const names = ['X-One', 'content-length', 'connection', 'x-none']
      const fields = names.map((name) => [res.getHeader(name), res.hasHeader(name)])
      seen = [{ ...res.getHeaders() }, res.getHeaderNames(), fields]
      if (!res.headersSent) res.writeHead(res.statusCode)
    } catch (cause) {
      seen = (cause as { code: string }).code
      for (const name of res.getHeaderNames()) res.removeHeader(name)
    }
    res.end('body')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void server.close())
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1')
  client.write('GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n')
  const wire: Buffer[] = []
  for await (const piece of client) wire.push(piece as Buffer)
  server.close()
  return { seen, wire: Buffer.concat(wire).toString() }
}

const ACTS: Record<string, Act> = {
  'sets fields, in any spelling': (res) =>
    res.setHeader('X-One', '1').setHeader('x-two', ['a', 'b']).setHeader('x-one', 2),
  'appends to them': (res) =>
    res.appendHeader('x-one', '1').appendHeader('X-One', ['2', '3']).appendHeader('x-two', 'a'),
  'takes them away': (res) => {
    res.setHeader('x-one', '1').setHeader('x-two', '2').setHeader('x-three', '3')
    res.removeHeader('X-Two')
    res.removeHeader('x-none')
  },
  'takes away what would be made up': (res) => {
    res.setHeader('connection', 'close')
    res.removeHeader('connection')
    res.removeHeader('content-length')
  },
  'knows what it is told of its length': (res) => res.setHeader('content-length', '4'),
  'sets several at once': (res) =>
    res.setHeaders(
      new Map<string, string | string[]>([
        ['x-one', '1'],
        ['set-cookie', ['a', 'b']],
      ]),
    ),
  'writes a head with more fields': (res) =>
    res.setHeader('x-one', '1').writeHead(201, { 'X-One': '2', 'x-two': '3' }),
  'writes a head with a reason': (res) =>
    res.setHeader('x-two', '2').writeHead(202, 'Fine', { 'x-one': '1' }),
  'writes a head with a list': (res) =>
    res.setHeader('x-one', '0').writeHead(200, ['x-one', '1', 'x-two', '2', 'x-one', '3']),
  'refuses fields once the head is written': (res) => res.writeHead(200).setHeader('x-one', '1'),
  'refuses to take some away then': (res) => res.writeHead(200).removeHeader('x-one'),
  'refuses values that would end the head': (res) => res.setHeader('x-one', 'a\r\nb: c'),
  'refuses names that are none': (res) => res.setHeader('x one', '1'),
  'refuses a status that is none': (res) => res.writeHead(99),
}

test.each(Object.entries(ACTS))('%s, as Node does', async (_, act) => {
  expect(await shown(FlatResponse, act)).toEqual(await shown(responseOfNode(), act))
})

test('whatever is done to it, it says what Node says', async () => {
  const name = fc.constantFrom('x-one', 'X-One', 'x-two', 'content-type', 'date')
  const act = fc.oneof(
    fc.record({ do: fc.constant('setHeader' as const), name, value: fc.string() }),
    fc.record({ do: fc.constant('appendHeader' as const), name, value: fc.string() }),
    fc.record({ do: fc.constant('removeHeader' as const), name, value: fc.constant('') }),
  )
  await fc.assert(
    fc.asyncProperty(fc.array(act, { maxLength: 12 }), async (acts) => {
      const all: Act = (res) => {
        for (const { do: what, name: of, value } of acts)
          res[what](of, encodeURI(value.toWellFormed()))
      }
      expect(await shown(FlatResponse, all)).toEqual(await shown(responseOfNode(), all))
    }),
    { numRuns: 50 },
  )
})

function responseOfNode(): typeof ServerResponse {
  return process.getBuiltinModule('node:http').ServerResponse
}
