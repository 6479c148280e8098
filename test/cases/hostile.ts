/** A raw request, byte for byte (latin1), and what a gateway has to make of it. */
export interface RawCase {
  readonly name: string
  readonly bytes: string
}

/** A request that must be refused: one answer with this status, the connection closed, nothing upstream. */
export interface HostileCase extends RawCase {
  readonly status: number
}

/** A request that must pass: so many answers with status 200, and upstream exactly these request lines. */
export interface HarmlessCase extends RawCase {
  readonly seen: readonly string[]
}

/** The limits that the sizes below count on. */
export const HOSTILE_LIMITS = {
  headerBytes: 16_384,
  headers: 100,
  urlBytes: 8_192,
  bodyBytes: 65_536,
} as const

const GET = 'GET / HTTP/1.1'
const POST = 'POST / HTTP/1.1'
const HOST = 'Host: a.example'
const CHUNKED = 'Transfer-Encoding: chunked'
const WEBSOCKET = ['Sec-WebSocket-Version: 13', 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==']

const SMUGGLED = raw('GET /smuggled HTTP/1.1', HOST)

function raw(...lines: string[]): string {
  return `${lines.join('\r\n')}\r\n\r\n`
}

function refused(status: number, rows: readonly (readonly [string, string])[]): HostileCase[] {
  return rows.map(([name, bytes]) => ({ name, bytes, status }))
}

/** One case per value of a header field, the rest of the request being sound. */
function values(field: string, ...list: string[]): HostileCase[] {
  return list.map((value) => ({
    name: `${field}: ${JSON.stringify(value)}`,
    bytes: raw(POST, HOST, `${field}: ${value}`) + '0\r\n\r\n',
    status: 400,
  }))
}

function targets(...list: string[]): HostileCase[] {
  return list.map((target) => ({
    name: `target ${JSON.stringify(target.length > 40 ? `${target.slice(0, 40)}…` : target)}`,
    bytes: raw(`GET ${target} HTTP/1.1`, HOST),
    status: 400,
  }))
}

function hosts(...list: string[]): HostileCase[] {
  return list.map((host) => ({
    name: `host ${JSON.stringify(host)}`,
    bytes: raw(GET, `Host: ${host}`),
    status: 400,
  }))
}

function chunks(...list: string[]): HostileCase[] {
  return list.map((body) => ({
    name: `chunks ${JSON.stringify(body.slice(0, 40))}`,
    bytes: raw(POST, HOST, CHUNKED) + body,
    status: 400,
  }))
}

function fields(...list: string[]): HostileCase[] {
  return list.map((field) => ({
    name: `field ${JSON.stringify(field)}`,
    bytes: raw(GET, HOST, field),
    status: 400,
  }))
}

/** Requests that two servers might read differently, or that only an attacker sends. */
export const HOSTILE: readonly HostileCase[] = [
  // Where the body ends.
  ...values(
    'Transfer-Encoding',
    'identity, chunked',
    'chunked, identity',
    'chunked, chunked',
    'gzip, chunked',
    'identity',
    'xchunked',
    'chunkedx',
    'chunked;q=1',
    '"chunked"',
    'chunked,',
    ',chunked',
    '\x0bchunked',
    'chunked\x00',
    '',
  ),
  ...values(
    'Content-Length',
    '+5',
    '-1',
    '5 5',
    '5, 5',
    '5,6',
    '0x5',
    '1e1',
    '5_0',
    '5\x0b',
    '\xa05',
    '',
    '18446744073709551616',
    '99999999999999999999999',
  ),
  ...refused(400, [
    ['length, then chunked', raw(POST, HOST, 'Content-Length: 5', CHUNKED) + '0\r\n\r\n'],
    ['chunked, then length', raw(POST, HOST, CHUNKED, 'Content-Length: 5') + '0\r\n\r\n'],
    ['chunked twice', raw(POST, HOST, CHUNKED, CHUNKED) + '0\r\n\r\n'],
    [
      'chunked, then identity',
      raw(POST, HOST, CHUNKED, 'Transfer-Encoding: identity') + '0\r\n\r\n',
    ],
    [
      'identity, then chunked',
      raw(POST, HOST, 'Transfer-Encoding: identity', CHUNKED) + '0\r\n\r\n',
    ],
    ['chunked with HTTP/1.0', raw('POST / HTTP/1.0', HOST, CHUNKED) + '0\r\n\r\n'],
    ['a space before the colon', raw(POST, HOST, 'Transfer-Encoding : chunked') + '0\r\n\r\n'],
    ['a folded field', raw(POST, HOST, 'Transfer-Encoding:', ' chunked') + '0\r\n\r\n'],
    ['Transfer_Encoding', raw(POST, HOST, 'Transfer_Encoding: chunked') + '0\r\n\r\n'],
    ['Content_Length', raw(POST, HOST, 'Content_Length: 5', 'Content-Length: 0')],
    ['two equal lengths', raw(POST, HOST, 'Content-Length: 0', 'Content-Length: 0')],
    ['two lengths', raw(POST, HOST, 'Content-Length: 0', 'Content-Length: 40')],
    ['a body with GET', raw(GET, HOST, 'Content-Length: 3') + 'abc'],
    ['a body with HEAD', raw('HEAD / HTTP/1.1', HOST, 'Content-Length: 3') + 'abc'],
    ['a body with DELETE', raw('DELETE / HTTP/1.1', HOST, CHUNKED) + '1\r\na\r\n0\r\n\r\n'],
    [
      'a request hidden in a GET body',
      raw(GET, HOST, `Content-Length: ${SMUGGLED.length}`) + SMUGGLED,
    ],
  ]),
  ...chunks(
    '0x1\r\na\r\n0\r\n\r\n',
    '-1\r\na\r\n0\r\n\r\n',
    '+1\r\na\r\n0\r\n\r\n',
    ' 1\r\na\r\n0\r\n\r\n',
    '1 \r\na\r\n0\r\n\r\n',
    '1_0\r\na\r\n0\r\n\r\n',
    'g\r\na\r\n0\r\n\r\n',
    '1\na\n0\n\n',
    '1\ra\r\n0\r\n\r\n',
    '\r\na\r\n0\r\n\r\n',
    '1\r\nab\r\n0\r\n\r\n',
    '1\r\na0\r\n\r\n',
    '1;a=\nb\r\na\r\n0\r\n\r\n',
    'fffffffffffffffff\r\na\r\n0\r\n\r\n',
    '0\r\nContent-Length: 5\r\n\r\n',
    '0\r\nTransfer-Encoding: chunked\r\n\r\n',
    '0\r\nfoo\r\n\r\n',
  ),
  // The request line.
  ...refused(400, [
    ['HTTP/0.9 without a version', 'GET /\r\n\r\n'],
    ['HTTP/0.9', raw('GET / HTTP/0.9', HOST)],
    ['HTTP/2.0', raw('GET / HTTP/2.0', HOST)],
    ['HTTP/1.2', raw('GET / HTTP/1.2', HOST)],
    ['HTTP/1.10', raw('GET / HTTP/1.10', HOST)],
    ['HTTP/3', raw('GET / HTTP/3', HOST)],
    ['http/1.1 in small letters', raw('GET / http/1.1', HOST)],
    ['a space after the version', raw('GET / HTTP/1.1 ', HOST)],
    ['a space in the version', raw('GET / HTTP /1.1', HOST)],
    ['the preface of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
    ['a TLS handshake', '\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03'],
    ['lines that end in LF', 'GET / HTTP/1.1\nHost: a.example\n\n'],
    ['a method in small letters', raw('get / HTTP/1.1', HOST)],
    ['a made-up method', raw('FOO / HTTP/1.1', HOST)],
    ['a method with a tab', raw('GET\t/ HTTP/1.1', HOST)],
    ['a space before the method', raw(' GET / HTTP/1.1', HOST)],
    ['CONNECT', raw('CONNECT a.example:443 HTTP/1.1', HOST)],
    ['CONNECT with a path', raw('CONNECT / HTTP/1.1', HOST)],
    ['TRACE', raw('TRACE / HTTP/1.1', HOST)],
    ['two targets', raw('GET / /admin HTTP/1.1', HOST)],
    ['no target', raw('GET HTTP/1.1', HOST)],
    ['rubbish', 'rubbish\r\n\r\n'],
    ['zeroes', '\0\0\0\0\0\0\0\0'],
  ]),
  // The target.
  ...targets(
    '*',
    'a.example:80',
    'foo',
    '?a=1',
    '/a#b',
    '/a?b#c',
    '/a\\b',
    '/a\\..\\b',
    '/%00',
    '/a%00.json',
    '/a%2fb',
    '/a%2Fb',
    '/..%2fadmin',
    '/a%5cb',
    '/..%5Cadmin',
    '/%0d%0aX:1',
    '/%0A',
    '/%',
    '/%a',
    '/%zz',
    '/%u002f',
    '/%%32%65',
    '/%c0%ae%c0%ae/admin',
    '/%c0%af',
    '/%ff',
    '/%ed%a0%80',
    '/\xe9',
    '/a\x01b',
    '/a\x7fb',
    '/a?b=\xe9',
    '/..;/admin',
    '/a/..;x=1/b',
    '/%2e%2e;/admin',
    'http://b.example/',
    'http://a.example:81/',
    'http://u@a.example/',
    'http://u:p@a.example/',
    'http:///a',
    'http:/a',
    'http://',
    'ftp://a.example/',
    'file:///etc/passwd',
    'javascript:alert(1)',
    'https://a.example.evil.example/',
  ),
  // The host.
  ...hosts(
    '',
    'u@a.example',
    'a.example@evil.example',
    'a b',
    'a\tb',
    'a,b',
    'a.example, b.example',
    'a/b',
    'a?b',
    'a#b',
    'a\\b',
    'a:',
    'a:x',
    'a:80:80',
    'a:999999',
    '[::1',
    '::1',
    '[::1]x',
    '[x]',
    '<script>',
    'a%00',
    '\xe9',
    '"a"',
  ),
  ...refused(400, [
    ['no host', raw(GET)],
    ['no host with an absolute target', raw('GET http://a.example/ HTTP/1.1')],
    ['two hosts', raw(GET, HOST, 'Host: b.example')],
    ['two equal hosts', raw(GET, HOST, HOST)],
    ['two hosts, written differently', raw(GET, HOST, 'HOST: b.example')],
    ['a space before the first field', `${GET}\r\n Host: a.example\r\n\r\n`],
  ]),
  // Fields.
  ...fields(
    '__proto__: x',
    'constructor: x',
    'Constructor: x',
    'prototype: x',
    'X_Forwarded_For: 127.0.0.1',
    'x_request_id: 12345678',
    ': x',
    ' : x',
    'foo',
    'a b: x',
    'a\tb: x',
    'a(b): x',
    'a@b: x',
    'a"b: x',
    'a\xe9: x',
    'a\0: x',
    'X: a\0b',
    'X: a\x01b',
    'X: a\x7fb',
    'X: a\rb',
    'X: a\nb',
    'X: a\r\n b',
    'Expect: foo',
    'Expect: 100-continue, foo',
    'Expect: 200-ok',
  ),
  ...refused(
    400,
    [
      'Authorization: Bearer x',
      'Content-Type: text/plain',
      'Expect: 100-continue',
      'Origin: http://a.example',
      'X-Request-Id: 0123456789',
    ].map((field) => [`twice ${field}`, raw(GET, HOST, field, field)] as const),
  ),
  // Another protocol.
  ...refused(400, [
    [
      'an upgrade to h2c',
      raw(GET, HOST, 'Connection: Upgrade, HTTP2-Settings', 'Upgrade: h2c', 'HTTP2-Settings: AAMA'),
    ],
    ['an upgrade to TLS', raw(GET, HOST, 'Connection: Upgrade', 'Upgrade: TLS/1.0')],
    [
      'an upgrade to either',
      raw(GET, HOST, 'Connection: Upgrade', 'Upgrade: websocket, h2c', ...WEBSOCKET),
    ],
    [
      'two upgrades',
      raw(GET, HOST, 'Connection: Upgrade', 'Upgrade: websocket', 'Upgrade: h2c', ...WEBSOCKET),
    ],
    [
      'an upgrade with POST',
      raw(POST, HOST, 'Connection: Upgrade', 'Upgrade: websocket', ...WEBSOCKET),
    ],
    [
      'an upgrade with a body',
      raw(
        GET,
        HOST,
        'Connection: Upgrade',
        'Upgrade: websocket',
        'Content-Length: 3',
        ...WEBSOCKET,
      ) + 'abc',
    ],
    [
      'an upgrade with HTTP/1.0',
      raw('GET / HTTP/1.0', HOST, 'Connection: Upgrade', 'Upgrade: websocket', ...WEBSOCKET),
    ],
  ]),
  // Sizes.
  ...refused(414, [['a long target', raw(`GET /${'a'.repeat(8_192)} HTTP/1.1`, HOST)]]),
  ...refused(431, [
    ['a large field', raw(GET, HOST, `X: ${'a'.repeat(17_000)}`)],
    ['many fields', raw(GET, HOST, ...Array.from({ length: 100 }, (_, i) => `X-${i}: 1`))],
    ['a large target', raw(`GET /${'a'.repeat(20_000)} HTTP/1.1`, HOST)],
  ]),
  ...refused(413, [
    ['a large length', raw(POST, HOST, 'Content-Length: 70000') + 'a'.repeat(1_000)],
    ['a large body', raw(POST, HOST, 'Content-Length: 70000') + 'a'.repeat(70_000)],
    [
      'large chunks',
      raw(POST, HOST, CHUNKED) + `8000\r\n${'a'.repeat(0x8000)}\r\n`.repeat(3) + '0\r\n\r\n',
    ],
    [
      'large chunk extensions',
      raw(POST, HOST, CHUNKED) + `1;${'a'.repeat(20_000)}\r\na\r\n0\r\n\r\n`,
    ],
  ]),
]

/** Requests that look odd and are fine. */
export const HARMLESS: readonly HarmlessCase[] = [
  pass('a plain GET', raw(GET, HOST), 'GET /'),
  pass('a port in host', raw(GET, 'Host: a.example:8080'), 'GET /'),
  pass('an IPv6 host', raw(GET, 'Host: [::1]:8080'), 'GET /'),
  pass('an underscore in host', raw(GET, 'Host: my_service:80'), 'GET /'),
  pass('HTTP/1.0 without host', raw('GET / HTTP/1.0', 'Connection: keep-alive'), 'GET /'),
  pass('an empty line first', `\r\n${raw(GET, HOST)}`, 'GET /'),
  pass('an absolute target', raw('GET http://a.example/x?y=1 HTTP/1.1', HOST), 'GET /x?y=1'),
  pass('an absolute target in capitals', raw('GET HTTP://A.EXAMPLE:80/x HTTP/1.1', HOST), 'GET /x'),
  pass('an absolute target without a path', raw('GET http://a.example HTTP/1.1', HOST), 'GET /'),
  pass('an absolute target, query only', raw('GET http://a.example?a HTTP/1.1', HOST), 'GET /?a'),
  pass('two slashes', raw('GET //evil.example//x HTTP/1.1', HOST), 'GET /evil.example/x'),
  pass('dot segments', raw('GET /a/./b/../c HTTP/1.1', HOST), 'GET /a/c'),
  pass('escaped dot segments', raw('GET /a/%2e%2E/%2e/c HTTP/1.1', HOST), 'GET /c'),
  pass('dots above the root', raw('GET /../../etc HTTP/1.1', HOST), 'GET /etc'),
  pass('an escaped letter', raw('GET /%61dmin HTTP/1.1', HOST), 'GET /admin'),
  pass('a double escape', raw('GET /%252e%252e/x HTTP/1.1', HOST), 'GET /%252e%252e/x'),
  pass('UTF-8 escapes', raw('GET /caf%c3%a9 HTTP/1.1', HOST), 'GET /caf%C3%A9'),
  pass('braces in a path', raw('GET /{id} HTTP/1.1', HOST), 'GET /%7Bid%7D'),
  pass(
    'odd bytes in a query',
    raw('GET /?q=%00%2f..//[]{}| HTTP/1.1', HOST),
    'GET /?q=%00%2f..//[]{}|',
  ),
  pass('a length of 0 with GET', raw(GET, HOST, 'Content-Length: 0'), 'GET /'),
  pass('a body', raw(POST, HOST, 'Content-Length: 3') + 'abc', 'POST /'),
  pass('chunks', raw(POST, HOST, CHUNKED) + '1\r\na\r\n2;x=y\r\nbc\r\n0\r\n\r\n', 'POST /'),
  pass(
    'chunked in capitals',
    raw(POST, HOST, 'TRANSFER-ENCODING: Chunked') + '0\r\n\r\n',
    'POST /',
  ),
  pass('a trailer', raw(POST, HOST, CHUNKED) + '1\r\na\r\n0\r\nX-Sum: 1\r\n\r\n', 'POST /'),
  pass(
    'a body that looks like a request',
    raw(POST, HOST, `Content-Length: ${SMUGGLED.length}`) + SMUGGLED,
    'POST /',
  ),
  pass('two cookies', raw(GET, HOST, 'Cookie: a=1', 'Cookie: b=2'), 'GET /'),
  pass('an upgrade that nobody asked for', raw(GET, HOST, 'Upgrade: h2c'), 'GET /'),
  pass('bytes above 127 in a value', raw(GET, HOST, 'X: \xe9'), 'GET /'),
  pass('an empty value', raw(GET, HOST, 'X:'), 'GET /'),
  pass('100 fields', raw(GET, HOST, ...Array.from({ length: 99 }, (_, i) => `X-${i}: 1`)), 'GET /'),
  pass(
    'two requests at once',
    raw('GET /1 HTTP/1.1', HOST) + raw('GET /2 HTTP/1.1', HOST),
    'GET /1',
    'GET /2',
  ),
  pass(
    'a body, then a request',
    raw('POST /1 HTTP/1.1', HOST, 'Content-Length: 3') + 'abc' + raw('GET /2 HTTP/1.1', HOST),
    'POST /1',
    'GET /2',
  ),
]

function pass(name: string, bytes: string, ...seen: string[]): HarmlessCase {
  return { name, bytes, seen }
}
