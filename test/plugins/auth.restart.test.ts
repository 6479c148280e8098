import { expect, onTestFinished, test } from 'vitest'
import { startTestGateway } from '../support/gateway.ts'
import { hasRedis, TestRedis } from '../support/redis.ts'

const config = (url: string) => `
store: { url: "${url}?timeout=300ms", ledger: "memory:" }
server: { admin: { host: 127.0.0.1, port: 0 } }
upstreams: { demo: { dialect: demo } }
pipelines:
  chat:
    - auth:
        rbac: { enabled: false }
        apiKeys: { static: [{ id: ada, key: "\${STATIC_KEY}" }] }
routes:
  - { id: chat, match: { api: llm }, pipeline: chat, upstream: demo }
`
const STATIC_KEY = 'static-key-of-the-config-0123'

async function statusWith(url: string, key: string): Promise<number> {
  const { status } = await fetch(`${url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${key}` },
    body: JSON.stringify({ model: 'm', messages: [] }),
  })
  return status
}

test.skipIf(!hasRedis)(
  'a gateway that starts while the store is away knows the keys of the config, and the others when it is back',
  async () => {
    const server = await TestRedis.start()
    onTestFinished(() => server.stop())
    const env = { STATIC_KEY }
    const before = await startTestGateway(config(server.url), { env })
    const made = await fetch(`${before.adminUrl}/admin/auth/keys`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ name: 'ada' }),
    })
    const { key } = (await made.json()) as { key: string }
    expect(await statusWith(before.url, key)).toBe(200)
    await before.close({ delayMs: 0 })

    server.pause()
    const gateway = await startTestGateway(config(server.url), { env })
    expect(await statusWith(gateway.url, STATIC_KEY)).toBe(200)
    expect(await statusWith(gateway.url, key)).toBe(503)
    server.resume()
    await expect.poll(() => statusWith(gateway.url, key), { timeout: 10_000 }).toBe(200)
    expect(await statusWith(gateway.url, `${key.slice(0, -1)}0`)).toBe(401)
  },
  30_000,
)
