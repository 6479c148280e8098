import { describe, expect, it } from 'vitest'
import { folderOf, sluice, SMALLEST } from './command-line.ts'

const WITH_KEYS = `version: 1
upstreams:
  ai:
    dialect: openai-chat
    url: https://ai.example/v1
    keys: ["\${AI_KEY}", "\${file:./no-such-file}"]
    headers: { authorization: "Bearer \${AI_TOKEN}" }
routes: [{ id: all, upstream: ai }]
`

describe('sluice check', () => {
  it('says that a config is right, and how much there is in it', async () => {
    const cwd = await folderOf({ 'gateway.yaml': SMALLEST })
    const stdout = './gateway.yaml is right: 1 route, 1 upstream\n'
    expect(await sluice(['check'], { cwd })).toEqual({ code: 0, stdout, stderr: '' })
  })

  it('tells every problem with its position, and how many there are', async () => {
    const cwd = await folderOf({ 'a.yaml': `${SMALLEST}sever: {}\nstore: nowhere\n` })
    const { code, stdout, stderr } = await sluice(['check', 'a.yaml'], { cwd })
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
    expect(stderr).toContain('a.yaml:4:1 sever: unknown option\n  hint: did you mean server?\n')
    expect(stderr).toContain('a.yaml:5:8 store: expected memory:, sqlite:PATH or redis://HOST')
    expect(stderr).toContain('a.yaml cannot be loaded: 2 errors\n')
  })

  it('needs no keys: a secret that is not there is a warning', async () => {
    const cwd = await folderOf({ 'gateway.yaml': WITH_KEYS })
    const { code, stderr } = await sluice(['check'], { cwd })
    expect(code).toBe(0)
    expect(stderr).toContain('6:12 warning: upstreams.ai.keys[0]: ${AI_KEY} is not set')
    expect(stderr).toContain(
      '6:25 warning: upstreams.ai.keys[1]: cannot read ${file:./no-such-file}',
    )
    expect(stderr).toContain('7:31 warning: upstreams.ai.headers.authorization: ${AI_TOKEN} is not')
  })

  it('refuses what is missing anywhere else', async () => {
    const config = WITH_KEYS.replace('https://ai.example/v1', '"${AI_URL}"')
    const cwd = await folderOf({ 'gateway.yaml': config })
    const { code, stderr } = await sluice(['check'], { cwd })
    expect(code).toBe(1)
    expect(stderr).toContain('5:10 upstreams.ai.url: ${AI_URL} is not set')
    expect(stderr).toContain('1 error, 3 warnings')
  })

  it('refuses a variable that is malformed, in a secret too', async () => {
    const cwd = await folderOf({ 'gateway.yaml': WITH_KEYS.replace('${AI_KEY}', '${AI KEY}') })
    const { code, stderr } = await sluice(['check'], { cwd })
    expect(code).toBe(1)
    expect(stderr).toContain('6:12 upstreams.ai.keys[0]: malformed "${AI KEY}"')
  })

  it('counts warnings as errors when it is strict', async () => {
    const cwd = await folderOf({ 'gateway.yaml': WITH_KEYS })
    expect(await sluice(['check', '--strict'], { cwd })).toMatchObject({ code: 1 })
    const env = { AI_KEY: 'k', AI_TOKEN: 't' }
    await expect(sluice(['check', '--strict'], { cwd, env })).resolves.toMatchObject({ code: 1 })
  })

  it('gives the problems as data', async () => {
    const cwd = await folderOf({ 'gateway.yaml': `${SMALLEST}sever: {}\n` })
    const { code, stdout, stderr } = await sluice(['check', '--json'], { cwd })
    expect({ code, stderr }).toEqual({ code: 1, stderr: '' })
    expect(JSON.parse(stdout)).toEqual({
      ok: false,
      problems: [
        {
          severity: 'error',
          position: { file: './gateway.yaml', line: 4, column: 1 },
          path: 'sever',
          message: 'unknown option',
          hint: 'did you mean server?',
        },
      ],
    })
  })
})
