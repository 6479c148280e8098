import { getCACertificates, setDefaultCACertificates } from 'node:tls'
import { describe, expect, onTestFinished, test } from 'vitest'
import { openStore } from '#core/store/open.ts'
import { hasRedis } from '../../support/redis.ts'
import { certificate } from '../upstream/certificate.ts'
import { open, remaining, startServer, startTlsProxy, take } from './redis.fixture.ts'

describe.skipIf(!hasRedis)('a store whose server', () => {
  test('drops keys when its memory is full is warned of', async () => {
    const lru = await startServer(['--maxmemory', '100mb', '--maxmemory-policy', 'allkeys-lru'])
    expect((await open(lru.url)).warnings[0]).toMatch(/allkeys-lru\): a counter that is dropped/)
    const full = await startServer(['--maxmemory', '1', '--maxmemory-policy', 'noeviction'])
    const { store, warnings } = await open(full.url)
    expect(warnings).toEqual([])
    await expect(take(store)).rejects.toThrow(/its memory is full \(maxmemory\) \(OOM\)/)
    expect(store.problem).toBeUndefined()
  })

  test('wants a password gets it, and nobody else sees it', async () => {
    const server = await startServer(['--requirepass', 'p@ss:w/rd?'])
    const host = `127.0.0.1:${server.port}`
    const secret = 'p@ss:w/rd?'
    const { store } = await open({ url: `redis://${host}/3`, password: secret })
    expect(await take(store)).toMatchObject({ ok: true })
    const { store: other } = await open(`valkey://:${encodeURIComponent(secret)}@${host}/3`)
    expect(await remaining(other)).toBe(999)
    expect(other.url).toBe(`valkey://:•••@${host}/3`)
    await server.kill()
    await expect.poll(() => other.problem).toBeDefined()
    const error: unknown = await take(other).catch((cause: unknown) => cause)
    expect(`${String(error)}${(error as Error).stack}${other.problem}`).not.toMatch(/p%40|p@ss/)
    await server.start()
    const wrong = openStore(`redis://user:wr0ng@${host}`, { now: Date.now })
    await expect(wrong).rejects.toThrow(
      `store "redis://user:•••@${host}": the user name or password is wrong (WRONGPASS)`,
    )
    await expect(openStore(`redis://${host}`, { now: Date.now })).rejects.toThrow(
      /it wants a password \(NOAUTH\)\n {2}hint: redis:\/\/user:password@host/,
    )
  })

  test('speaks TLS is believed if its certificate is', async () => {
    const server = await startServer()
    const port = await startTlsProxy(server.port)
    const openTls = () => openStore(`rediss://127.0.0.1:${port}`, { now: Date.now })
    await expect(openTls()).rejects.toThrow(
      /its certificate is not trusted \(DEPTH_ZERO_SELF_SIGNED_CERT\)\n {2}hint/,
    )
    const known = getCACertificates('default')
    setDefaultCACertificates([...known, certificate])
    onTestFinished(() => setDefaultCACertificates(known))
    const store = await openTls()
    onTestFinished(() => store.close())
    expect(await take(store)).toMatchObject({ ok: true })
  })

  test('is a cluster is refused', async () => {
    const server = await startServer(['--cluster-enabled', 'yes'])
    await expect(openStore(server.url, { now: Date.now })).rejects.toThrow(
      /it is a cluster\n {2}hint: one server, or one behind sentinels/,
    )
  })

  test('is a replica is not written to', async () => {
    const master = await startServer()
    const replica = await startServer(['--replicaof', '127.0.0.1', String(master.port)])
    expect((await open(replica.url)).changes).toEqual(['it is a replica'])
  })
})
