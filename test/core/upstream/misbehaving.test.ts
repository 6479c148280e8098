import type { Socket } from 'node:net'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { aRequest, openAt, outcome } from './ask.ts'
import { rawServer } from './raw-server.ts'

const OK = 'HTTP/1.1 200 OK\r\n'

/** What the upstream does after a request, and what comes of it: the first word is the status or the code. */
const CASES: readonly [title: string, does: (socket: Socket) => void, expected: RegExp][] = [
  ['closes at once', (s) => s.end(), /^UPSTREAM_UNREACHABLE: .*connection closed/],
  [
    'resets at once',
    (s) => s.resetAndDestroy(),
    /^UPSTREAM_UNREACHABLE: .*connection (reset|closed)/,
  ],
  ['closes inside the status line', (s) => s.end('HTTP/1.1 20'), /^UPSTREAM_UNREACHABLE/],
  ['closes inside the head', (s) => s.end(`${OK}content-le`), /^UPSTREAM_UNREACHABLE/],
  ['resets inside the head', (s) => thenReset(s, `${OK}content-le`), /^UPSTREAM_UNREACHABLE/],
  [
    'closes inside a body of known length',
    (s) => s.end(`${OK}content-length: 10\r\n\r\n12345`),
    /^UPSTREAM_CUT/,
  ],
  [
    'resets inside a body of known length',
    (s) => thenReset(s, `${OK}content-length: 10\r\n\r\n12345`),
    /^UPSTREAM_CUT/,
  ],
  [
    'closes inside a long body of known length',
    (s) => s.end(`${OK}content-length: 100000\r\n\r\n12345`),
    /^200 12345 then UPSTREAM_CUT/,
  ],
  [
    'closes inside a long body of known length after connection: close',
    (s) => s.end(`${OK}connection: close\r\ncontent-length: 100000\r\n\r\n12345`),
    /^200 12345 then UPSTREAM_CUT/,
  ],
  [
    'resets inside a long body of known length after connection: close',
    (s) => thenReset(s, `${OK}connection: close\r\ncontent-length: 100000\r\n\r\n12345`),
    /^200 12345 then UPSTREAM_CUT/,
  ],
  [
    'closes between chunks',
    (s) => s.end(`${OK}transfer-encoding: chunked\r\n\r\n5\r\n12345\r\n`),
    /^200 12345 then UPSTREAM_CUT/,
  ],
  [
    'closes between chunks after connection: close',
    (s) => s.end(`${OK}connection: close\r\ntransfer-encoding: chunked\r\n\r\n5\r\n12345\r\n`),
    /^200 12345 then UPSTREAM_CUT/,
  ],
  [
    'closes inside a chunk',
    (s) => s.end(`${OK}transfer-encoding: chunked\r\n\r\n9\r\n12345`),
    /^200 12345 then UPSTREAM_CUT/,
  ],
  [
    'closes before the last line of a chunked body',
    (s) => s.end(`${OK}transfer-encoding: chunked\r\n\r\n5\r\n12345\r\n0\r\n`),
    /^200 12345 then UPSTREAM_CUT/,
  ],
  [
    'resets between chunks',
    (s) => thenReset(s, `${OK}transfer-encoding: chunked\r\n\r\n5\r\n12345\r\n`),
    /^200 12345 then UPSTREAM_CUT/,
  ],
  [
    'says a chunk size that is none',
    (s) => s.write(`${OK}transfer-encoding: chunked\r\n\r\n5\r\n12345\r\nxyz\r\n`),
    /^200 12345 then UPSTREAM_CUT/,
  ],
  ['ends a body without a length by closing', (s) => s.end(`${OK}\r\n12345`), /^200 12345$/],
  [
    'resets inside a body without a length',
    (s) => thenReset(s, `${OK}\r\n12345`),
    /^200 12345 then UPSTREAM_CUT/,
  ],
  [
    'sends more than the length it said',
    (s) => s.write(`${OK}content-length: 3\r\n\r\n12345`),
    /^200 123$/,
  ],
  [
    'sends two answers',
    (s) => s.write(`${OK}content-length: 1\r\n\r\nA${OK}content-length: 1\r\n\r\nB`),
    /^200 A$/,
  ],
  [
    'says both length and chunked',
    (s) =>
      s.write(`${OK}content-length: 3\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n`),
    /^UPSTREAM_(PROTOCOL|CUT)/,
  ],
  [
    'says two lengths',
    (s) => s.write(`${OK}content-length: 3\r\ncontent-length: 4\r\n\r\nabcd`),
    /^UPSTREAM_PROTOCOL/,
  ],
  ['talks another protocol', (s) => s.write('220 mail.test ESMTP\r\n'), /^UPSTREAM_PROTOCOL/],
  [
    'sends random bytes',
    (s) => s.write(Buffer.from([0, 1, 2, 255, 254, 13, 10])),
    /^UPSTREAM_PROTOCOL/,
  ],
  ['says HTTP/0.9', (s) => s.end('<html>hello</html>'), /^UPSTREAM_PROTOCOL/],
  [
    'puts a NUL into a header',
    (s) => s.write(`${OK}x-a: 1\x002\r\ncontent-length: 0\r\n\r\n`),
    /^UPSTREAM_PROTOCOL/,
  ],
  [
    'puts a bare CR into a header',
    (s) => s.write(`${OK}x-a: 1\r2\r\ncontent-length: 0\r\n\r\n`),
    /^UPSTREAM_PROTOCOL/,
  ],
  [
    'puts a space into a header name',
    (s) => s.write(`${OK}x a: 1\r\ncontent-length: 0\r\n\r\n`),
    /^UPSTREAM_PROTOCOL/,
  ],
  [
    'sends 80 KiB of header fields',
    (s) => s.write(`${OK}x-a: ${'a'.repeat(80 * 1024)}\r\n\r\n`),
    /^UPSTREAM_PROTOCOL: the header fields of the answer are too large/,
  ],
  [
    'sends 2,000 × 103',
    (s) => s.write(`${'HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n'.repeat(2_000)}${OK}\r\n`),
    /^UPSTREAM_PROTOCOL: too many interim answers/,
  ],
  [
    'sends one 103 before the answer',
    (s) =>
      s.write(`HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n${OK}content-length: 2\r\n\r\nok`),
    /^200 ok$/,
  ],
  [
    'sends a 100 that nobody asked for',
    (s) => s.write(`HTTP/1.1 100 Continue\r\n\r\n${OK}content-length: 2\r\n\r\nok`),
    /^UPSTREAM_PROTOCOL/,
  ],
  [
    'switches protocols unasked',
    (s) => s.write('HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n'),
    /^UPSTREAM_PROTOCOL/,
  ],
  [
    'redirects',
    (s) =>
      s.write('HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n'),
    /^302 $/,
  ],
  [
    'sends trailers',
    (s) => s.write(`${OK}transfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nx-sum: 1\r\n\r\n`),
    /^200 ok$/,
  ],
]

describe('an upstream that', () => {
  test.for(CASES)('%s', async ([, does, expected]) => {
    const server = await rawServer(does)
    const upstream = openAt(server.url)

    expect(await outcome(upstream, aRequest({ method: 'POST', body: Buffer.from('hi') }))).toMatch(
      expected,
    )
  })

  test('closes inside an event stream has cut it', async () => {
    const server = await rawServer((socket) =>
      socket.end(
        `${OK}content-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n4\r\na: b\r\n`,
      ),
    )

    expect(await outcome(openAt(server.url), aRequest())).toMatch(/^200 a: b then UPSTREAM_CUT/)
  })

  test('sends a body that does not belong there is not believed by the next request', async () => {
    const server = await rawServer((socket, _request, index) => {
      if (index === 0)
        socket.write(`${OK}content-length: 1\r\n\r\nA${OK}content-length: 5\r\n\r\nfalse`)
      else socket.write(`${OK}content-length: 4\r\n\r\ntrue`)
    })
    const upstream = openAt(server.url)

    expect(await outcome(upstream, aRequest())).toBe('200 A')
    expect(await outcome(upstream, aRequest())).toBe('200 true')
    expect(server.accepted).toBe(2)
  })
})

const PIECES = [
  'HTTP/1.1 200 OK\r\n',
  'HTTP/1.1 103 Early Hints\r\n\r\n',
  'content-length: 3\r\n',
  'transfer-encoding: chunked\r\n',
  'connection: close\r\n',
  'content-type: text/event-stream\r\n',
  'x: \0\r\n',
  '\r\n',
  '3\r\nabc\r\n',
  '0\r\n\r\n',
  'abc',
]

describe('whatever bytes come', () => {
  const piece = fc.oneof(fc.constantFrom(...PIECES), fc.uint8Array({ maxLength: 20 }))

  test('an attempt ends, and the process does not', async () => {
    let bytes = Buffer.alloc(0)
    let doesReset = false
    const server = await rawServer((socket) => {
      if (doesReset) thenReset(socket, bytes)
      else socket.end(bytes)
    })
    const upstream = openAt(server.url)

    await fc.assert(
      fc.asyncProperty(fc.array(piece, { maxLength: 8 }), fc.boolean(), async (pieces, resets) => {
        bytes = Buffer.concat(pieces.map((part) => Buffer.from(part)))
        doesReset = resets
        expect(await outcome(upstream, aRequest({ method: 'POST' }))).toMatch(/^\d{3} |^UPSTREAM_/)
      }),
      { numRuns: 150 },
    )
  })
})

/** Resets once the other side has had time to read what was written. */
function thenReset(socket: Socket, bytes: string | Buffer): void {
  socket.write(bytes, () => setTimeout(() => socket.resetAndDestroy(), 10))
}
