import { readdirSync, readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { type JsonObject } from '#core/kit/json.ts'
import { startTestGateway } from '../support/gateway.ts'
import { bodyOf, startUpstream } from '../support/upstream.ts'

/** A collector of lines, which answers by turns. */
async function startCollector(...statuses: number[]) {
  const got: { headers: IncomingMessage['headers']; path: string; body: string }[] = []
  async function take(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const body = String(await bodyOf(req))
    got.push({ headers: req.headers, path: req.url!, body })
    res.writeHead(statuses.shift() ?? 200, { 'content-type': 'application/json' }).end('{}')
  }
  const { url } = await startUpstream((req, res) => void take(req, res))
  return { url, got }
}

async function startLogging(destination: object, more = '', env: Record<string, string> = {}) {
  return startTestGateway(
    `
upstreams: { demo: { dialect: demo } }
pipelines:
  chat:
    - logging: { destination: ${JSON.stringify(destination)}${more} }
routes:
  - { id: chat, match: { api: llm }, pipeline: chat, upstream: demo }
`,
    { env },
  )
}

function ask(url: string) {
  return fetch(`${url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'gpt-4o', messages: [] }),
  })
}

function linesOf(bodies: readonly string[]): JsonObject[] {
  return bodies
    .join('')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as JsonObject)
}

describe('a file that begins anew', () => {
  it('does so by size, loses no line, and keeps as many as it is told', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'sluice-logs-'))
    onTestFinished(() => rm(folder, { recursive: true }))
    const gateway = await startLogging({ file: join(folder, 'x.log'), size: '8kb' })
    const ids = new Set<string>()
    for (let count = 0; count < 150; count++) {
      ids.add((await ask(gateway.url)).headers.get('x-request-id')!)
    }
    await gateway.end()
    const names = readdirSync(folder)
    expect(names.length).toBeGreaterThan(2)
    const lines = linesOf(names.map((name) => readFileSync(join(folder, name), 'utf8')))
    expect(new Set(lines.map(({ id }) => id))).toEqual(ids)
    expect(lines).toHaveLength(150)
  })
})

describe('an HTTP service', () => {
  it('gets batches of lines, with the fields that it wants', async () => {
    const { url, got } = await startCollector()
    const gateway = await startLogging(
      { url: `${url}/in`, headers: { authorization: 'Bearer ${TOKEN}' }, flush: '20ms' },
      '',
      { TOKEN: 'collector-token' },
    )
    await Promise.all(Array.from({ length: 20 }, () => ask(gateway.url)))
    await gateway.end()
    const lines = linesOf(got.map(({ body }) => body))
    expect(lines).toHaveLength(20)
    expect(got.length).toBeLessThan(20)
    expect(got[0]!.headers).toMatchObject({
      authorization: 'Bearer collector-token',
      'content-type': 'application/x-ndjson',
    })
  })

  it('that fails for a while gets all of them later, in order and once', async () => {
    const { url, got } = await startCollector(503, 200)
    const gateway = await startLogging({ url, flush: '20ms' })
    const first = (await ask(gateway.url)).headers.get('x-request-id')
    await expect.poll(() => got.length).toBe(1)
    const second = (await ask(gateway.url)).headers.get('x-request-id')
    await gateway.end()
    const [, ...taken] = got
    expect(linesOf(taken.map(({ body }) => body)).map(({ id }) => id)).toEqual([first, second])
    expect(gateway.logs.filter(({ message }) => message === 'log not written')).toHaveLength(1)
  })

  it('that refuses a batch for good is told of, and gets the next', async () => {
    const { url, got } = await startCollector(400, 200)
    const gateway = await startLogging({ url, flush: '20ms' })
    await ask(gateway.url)
    await expect.poll(() => got.length).toBe(1)
    await ask(gateway.url)
    await gateway.end()
    expect(got).toHaveLength(2)
    expect(got[1]!.body).not.toBe(got[0]!.body)
    expect(gateway.logs).toContainEqual(
      expect.objectContaining({ message: 'log not written', level: 'error' }),
    )
  })
})

describe('an OpenTelemetry collector', () => {
  it('gets log records, beside whatever else gets lines', async () => {
    const { url, got } = await startCollector()
    const lines = await startCollector()
    const gateway = await startLogging([
      { otlp: `${url}/v1/logs`, headers: { 'x-tenant': 'tenant-one' }, service: 'edge' },
      { url: lines.url, flush: '20ms' },
    ])
    const id = (await ask(gateway.url)).headers.get('x-request-id')!
    await gateway.end()
    expect(linesOf(lines.got.map(({ body }) => body))).toHaveLength(1)
    expect(got[0]).toMatchObject({ path: '/v1/logs', headers: { 'x-tenant': 'tenant-one' } })
    const [resource] = (JSON.parse(got[0]!.body) as { resourceLogs: OtlpResource[] }).resourceLogs
    expect(resource!.resource.attributes).toContainEqual({
      key: 'service.name',
      value: { stringValue: 'edge' },
    })
    const [record] = resource!.scopeLogs[0]!.logRecords
    expect(record).toMatchObject({ severityText: 'info', severityNumber: 9 })
    expect(record!.body).toEqual({ stringValue: 'exchange' })
    expect(record!.attributes).toContainEqual({ key: 'id', value: { stringValue: id } })
    expect(Math.abs(Number(record!.timeUnixNano) / 1e6 - Date.now())).toBeLessThan(60_000)
  })
})

interface OtlpResource {
  readonly resource: { readonly attributes: readonly object[] }
  readonly scopeLogs: readonly {
    readonly logRecords: readonly {
      readonly timeUnixNano: string
      readonly body: object
      readonly attributes: readonly object[]
    }[]
  }[]
}
