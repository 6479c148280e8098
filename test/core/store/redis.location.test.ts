import { expect, test } from 'vitest'
import { openStore } from '#core/store/open.ts'
import { parseRedisUrl } from '#core/store/redis/location.ts'

test.for([
  ['redis://localhost', { addresses: [{ host: 'localhost', port: 6379 }], isTls: false }],
  ['valkey://h:7000/2', { addresses: [{ host: 'h', port: 7000 }], database: 2, isTls: false }],
  ['rediss://h?prefix=team-a', { isTls: true, prefix: 'team-a', database: 0 }],
  ['valkeys://[::1]:1/', { isTls: true, addresses: [{ host: '::1', port: 1 }] }],
  ['redis://u%40x:p%2F%3F@h', { username: 'u@x', password: 'p/?' }],
  ['redis://:only@h', { username: undefined, password: 'only' }],
  ['redis://user@h', { username: 'user', password: undefined }],
  ['redis://u:p@ss/w@h:1', { password: 'p@ss/w', addresses: [{ host: 'h', port: 1 }] }],
  [
    'redis+sentinel://u:p@a,b:1,[::2]:3/mymaster?database=4',
    {
      addresses: [
        { host: 'a', port: 26379 },
        { host: 'b', port: 1 },
        { host: '::2', port: 3 },
      ],
      sentinelName: 'mymaster',
      database: 4,
    },
  ],
  ['redis://h?timeout=2s', { timeoutMs: 2_000 }],
  ['rediss+sentinel://a/m', { isTls: true, sentinelName: 'm' }],
] as const)('%s is read', ([url, expected]) => {
  expect(parseRedisUrl(url)).toMatchObject(expected)
})

test.for([
  ['redis:localhost', 'store "redis:localhost": expected // after the scheme'],
  ['redis://a,b', 'it names several servers'],
  ['redis+sentinel://a', 'the name that the sentinels know is missing'],
  ['redis://h/x', 'the database is "x"'],
  ['redis://h?databse=1', 'unknown option "databse"\n  hint: write database'],
  ['redis://h?timeout=soon', 'timeout: '],
  ['redis://h?prefix={a}', 'the prefix is "{a}"'],
  ['redis://', 'expected host or host:port'],
  ['redis://h:99999', 'expected host or host:port\n  hint: write redis://127.0.0.1:6379'],
  ['redis://u:100%@h', 'store "redis://u:•••@h": a % in it encodes nothing'],
] as const)('%s is refused', async ([url, message]) => {
  expect(() => parseRedisUrl(url)).toThrow(message)
  await expect(openStore(url, { now: Date.now })).rejects.toThrow(message)
})

test.for([
  'redis://user:secret',
  'redis://user:secret/0',
  'redis://user:sec@ret@h:x',
  'redis://user:secret@h/x',
  'redis://:secret@h?x=1',
  'redis+sentinel://:secret@h',
  'redis:user:secret@h',
])('no password is told of %s', (url) => {
  let message = ''
  try {
    parseRedisUrl(url)
  } catch (cause) {
    message = (cause as Error).message
  }
  expect(message).toMatch(/^store /)
  expect(message).not.toMatch(/sec|ret@/)
})
