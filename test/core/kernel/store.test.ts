import { describe, expect, onTestFinished, test } from 'vitest'
import { startTestGateway, type TestGateway } from '../../support/gateway.ts'
import { hasRedis, TestRedis } from '../../support/redis.ts'

const ROUTES = `
upstreams: { demo: { dialect: demo } }
routes: [{ id: all, upstream: demo }]
`

async function startServer(): Promise<TestRedis> {
  const server = await TestRedis.start(['--requirepass', 's3cret'])
  onTestFinished(() => server.stop())
  return server
}

const stateOf = async ({ adminUrl }: TestGateway): Promise<unknown> =>
  (await fetch(`${adminUrl}/admin/store`)).json()

test('the admin listener tells where state is kept', async () => {
  const gateway = await startTestGateway(ROUTES)
  expect(await stateOf(gateway)).toEqual({ url: 'memory:', shared: false, state: 'up' })
})

describe.skipIf(!hasRedis)('a gateway whose store is on a server', () => {
  test('tells once that it is down, and once that it is back', async () => {
    const server = await startServer()
    const gateway = await startTestGateway(
      `store: { url: "${server.url}", password: "\${PASSWORD}", ledger: "memory:" }${ROUTES}`,
      { env: { PASSWORD: 's3cret' } },
    )
    expect(await stateOf(gateway)).toEqual({ url: server.url, shared: true, state: 'up' })
    await server.kill()
    await expect.poll(() => stateOf(gateway)).toMatchObject({ state: 'down' })
    await server.start()
    await expect.poll(() => stateOf(gateway), { timeout: 5_000 }).toMatchObject({ state: 'up' })
    const told = gateway.logs.filter(({ message }) => message.startsWith('store is'))
    expect(told.map(({ level, message }) => [level, message])).toEqual([
      ['info', 'store is up'],
      ['error', 'store is down'],
      ['info', 'store is up'],
    ])
    expect(JSON.stringify(gateway.logs)).not.toContain('s3cret')
  })

  test('starts without it, and refuses to start with a wrong password', async () => {
    const server = await startServer()
    await server.kill()
    const store = `store: { url: "${server.url}", password: "\${PASSWORD}", ledger: "memory:" }`
    const gateway = await startTestGateway(store + ROUTES, { env: { PASSWORD: 'wr0ng' } })
    expect(await stateOf(gateway)).toMatchObject({
      state: 'down',
      problem: 'nothing listens there (ECONNREFUSED)',
    })
    await server.start()
    const start = startTestGateway(store + ROUTES, { env: { PASSWORD: 'wr0ng' } })
    await expect(start).rejects.toThrow(/the user name or password is wrong/)
  })
})
