import { readdir, readFile } from 'node:fs/promises'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { folderOf, sluice, SMALLEST } from './command-line.ts'

/** What a case file says after its line of dashes. */
interface Case {
  /** Behind `explain gateway.yaml`. */
  readonly args: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  readonly files?: Readonly<Record<string, string>>
  /** Lines that stand in the text as they are, in a row. */
  readonly says?: string
  /** A part of what `--json` gives. */
  readonly data?: object
  /** What must stand nowhere. */
  readonly never?: string
}

const folder = path.resolve(import.meta.dirname, '../../cases/explain')
const cases = await Promise.all(
  (await readdir(folder)).map(async (name) => {
    const text = await readFile(path.join(folder, name), 'utf8')
    const [config = '', expected = ''] = text.split(/^---\n/m)
    return {
      name,
      title: text.slice(2, text.indexOf('\n')),
      config,
      expected: parse(expected) as Case,
    }
  }),
)

describe('sluice explain', () => {
  it.each(cases)('$title ($name)', async ({ config, expected }) => {
    const { args, env = {}, files = {}, says, data, never } = expected
    const cwd = await folderOf({ 'gateway.yaml': config, ...files })
    const text = await sluice(['explain', 'gateway.yaml', ...args], { cwd, env })
    const json = await sluice(['explain', 'gateway.yaml', ...args, '--json'], { cwd, env })
    expect(text).toMatchObject({ code: 0, stderr: '' })
    if (says !== undefined) expect(text.stdout).toContain(says.trimEnd())
    expect(JSON.parse(json.stdout)).toMatchObject({ ok: true, ...data })
    if (never !== undefined) expect(text.stdout + json.stdout).not.toContain(never)
  })

  it('refuses what it cannot understand', async () => {
    const cwd = await folderOf({ 'gateway.yaml': SMALLEST })
    const refused = async (...args: string[]) => {
      const { code, stderr } = await sluice(['explain', ...args], { cwd })
      expect(code).toBe(2)
      return stderr.split('\n')[0]
    }
    expect(await refused('/v1')).toBe(
      'sluice explain: takes a method and a path, such as POST /v1/chat/completions',
    )
    expect(await refused('FETCH', '/')).toBe(
      'sluice explain: expected a method such as POST, got "FETCH"',
    )
    expect(await refused('GET', '/', '--consumer', '{}')).toBe(
      'sluice explain: --consumer takes an id, or a map with an id in JSON, got {}',
    )
    expect(await refused('GET', '/', '-H', 'x')).toBe(
      `sluice explain: -H takes 'name: value', got "x"`,
    )
    expect(await refused('GET', '/', '--ip', 'here')).toBe(
      'sluice explain: --ip takes an address, got "here"',
    )
    expect(await refused('GET', '/', '--route', 'al')).toBe(
      'sluice explain: there is no route "al"; there are all',
    )
    expect(await refused('POST', '/', '-d', '@none')).toMatch(
      /^sluice explain: -d cannot read none: ENOENT/,
    )
  })

  it('tells of a route that cannot be asked', async () => {
    const route = 'match: { query: { a: b } }, upstream: demo'
    const cwd = await folderOf({ 'gateway.yaml': SMALLEST.replace('upstream: demo', route) })
    const query = 'c=d&'.repeat(300)
    const { code, stdout } = await sluice(['explain', 'GET', `/?${query}`, '--json'], { cwd })
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({
      routes: [{ id: 'all', mismatch: expect.stringMatching(/^cannot be asked: .*parameters/) }],
      refusal: { status: 400, code: 'BAD_REQUEST' },
    })
  })

  it('tells of a config that cannot be loaded, in words and as data', async () => {
    const cwd = await folderOf({ 'gateway.yaml': `${SMALLEST}sever: {}\n` })
    const text = await sluice(['explain', 'GET', '/'], { cwd })
    expect(text).toMatchObject({ code: 1, stdout: '' })
    expect(text.stderr).toContain('gateway.yaml:4:1 sever: unknown option')
    const json = await sluice(['explain', 'GET', '/', '--json'], { cwd })
    expect(json.code).toBe(1)
    expect(JSON.parse(json.stdout)).toMatchObject({ ok: false, problems: [{ path: 'sever' }] })
  })
})
