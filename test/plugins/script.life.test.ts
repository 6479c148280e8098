import { describe, expect, it, vi } from 'vitest'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { startTestGateway, type TestGateway } from '../support/gateway.ts'

const config = (script: string) => `
scripts: ./*.lib.ts
upstreams: { demo: { dialect: demo } }
routes:
  - id: all
    match: { api: openai-chat }
    upstream: demo
    pipeline:
      - script:
${script.replaceAll(/^/gm, '          ')}
`
const ask = (url: string, headers: Record<string, string> = {}) =>
  fetch(`${url}/v1/models`, { headers })

/** What was logged of steps that failed. */
function failures({ logs }: TestGateway): string[] {
  return logs
    .filter(({ message }) => message === 'step failed')
    .map(({ fields }) => (fields as { err: Error }).err.message)
}

describe('a script in a gateway', () => {
  it('that breaks is told of with file, line and column, and costs its own request', async () => {
    const gateway = await startTestGateway(
      config(
        "code: |\n  const name = 'x-bad'\n  if (req.headers[name]) {\n    req.none.at(1)\n  }",
      ),
    )
    const bad = await ask(gateway.url, { 'x-bad': '1' })
    expect([bad.status, bad.headers.get('x-sluice-code')]).toEqual([500, 'SCRIPT_FAILED'])
    expect(await bad.text()).not.toContain('none')
    expect(failures(gateway)).toEqual([
      `${gateway.file}:16:24: Cannot read properties of undefined (reading 'at')`,
    ])
    expect((await ask(gateway.url)).status).toBe(200)
  })

  it('that loops is told of where it was', async () => {
    const gateway = await startTestGateway(
      config('timeout: 30ms\ncode: |\n  const n = 1\n  for (;;);'),
    )
    const late = await ask(gateway.url)
    expect([late.status, late.headers.get('x-sluice-code')]).toEqual([500, 'SCRIPT_TIMEOUT'])
    // Where it was; or where it begins, if it had to be given up before V8 stopped it, so that nobody knows.
    expect(failures(gateway)[0]).toMatch(/gateway\.yaml:1[56]:\d+: it took longer than 30ms$/)
  })

  it('goes on without it where the step says onError: open', async () => {
    const gateway = await startTestGateway(config('onError: open\ncode: null.x'))
    expect((await ask(gateway.url)).status).toBe(200)
    expect(failures(gateway)).toHaveLength(1)
  })

  it('that keeps failing is switched off, says so, and is tried again', async () => {
    let now = 1_000_000
    const gateway = await startTestGateway(
      config("breaker: { failures: 3, pause: 10s }\ncode: if (req.headers['x-bad']) null.x"),
      { now: () => now },
    )
    for (let n = 0; n < 3; n++) await ask(gateway.url, { 'x-bad': '1' })
    expect((await ask(gateway.url)).status).toBe(500)
    expect(failures(gateway).at(-1)).toContain('is switched off for a while')
    const state = async () => {
      const { scripts } = (await (await fetch(`${gateway.adminUrl}/admin/sandbox`)).json()) as {
        scripts: { isOff: boolean }[]
      }
      return scripts.map(({ isOff }) => isOff)
    }
    expect(await state()).toEqual([true])
    now += 10_000
    expect((await ask(gateway.url)).status).toBe(200)
    expect(await state()).toEqual([false])
    const said = gateway.logs
      .map(({ message }) => message)
      .filter((message) => message.startsWith('script switched'))
    expect(said).toEqual(['script switched off', 'script switched on again'])
  })

  it('notices on a reload that a library has changed', async () => {
    const yaml = config(
      "on: response\ncode: |\n  import { word } from 'words.lib'\n  res.headers['x-word'] = word",
    )
    const gateway = await startTestGateway(yaml, {
      files: { 'words.lib.ts': "export const word: string = 'one'\n" },
    })
    expect((await ask(gateway.url)).headers.get('x-word')).toBe('one')
    await writeFile(join(gateway.folder, 'words.lib.ts'), "export const word: string = 'two'\n")
    expect(await gateway.reload()).toMatchObject({ ok: true, changed: true })
    expect((await ask(gateway.url)).headers.get('x-word')).toBe('two')
    expect(await gateway.reload()).toMatchObject({ ok: true, changed: false })
  })

  it('outlives the death of its process', async () => {
    const gateway = await startTestGateway(config('code: vars.x = 1'))
    await vi.waitFor(() => expect(gateway.sandboxes.pids).toHaveLength(2), { timeout: 10_000 })
    const [pid] = gateway.sandboxes.pids
    const before = Array.from({ length: 20 }, () => ask(gateway.url))
    process.kill(pid!, 'SIGKILL')
    const after = Array.from({ length: 20 }, () => ask(gateway.url))
    const statuses = await Promise.all([...before, ...after].map(async (one) => (await one).status))
    expect(new Set(statuses)).toEqual(new Set([200]))
  })
})
