import { cp, mkdir, readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { generatedFiles, staleFiles, writeFiles } from '#core/cli/schema/generated.ts'
import { optionsTable } from '#core/cli/schema/tables.ts'
import { definePlugin, duration, expression, secret } from '#core/sdk.ts'
import { catalog } from '#plugins/index.ts'
import { folderOf, sluice } from './command-line.ts'

const ROOT = path.resolve(import.meta.dirname, '../../..')
const plugins = await Promise.all(catalog.names.map((name) => catalog.load(name)))

/** A copy of what is generated and of where it stands. */
async function copyOfCheckout(): Promise<string> {
  const root = await folderOf({})
  await cp(path.join(ROOT, 'schemas'), path.join(root, 'schemas'), { recursive: true })
  for (const name of ['', ...catalog.names.map((name) => `${name}/`)]) {
    await mkdir(path.join(root, 'plugins', name), { recursive: true })
    const readme = `plugins/${name}README.md`
    await cp(path.join(ROOT, readme), path.join(root, readme))
  }
  return root
}

async function stalePaths(root: string): Promise<string[]> {
  const stale = await staleFiles(root, await generatedFiles(root, plugins))
  return stale.map((file) => file.path)
}

describe('sluice schema', () => {
  it('prints the schema of gateway.yaml', async () => {
    const { code, stdout } = await sluice(['schema'])
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({
      $schema: 'https://json-schema.org/draft/2020-12/schema',
      title: 'gateway.yaml',
    })
  })

  it("prints the schema of a plugin's options", async () => {
    const { code, stdout } = await sluice(['schema', 'filter'])
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({
      title: 'filter',
      properties: { deny: {}, when: {} },
    })
  })

  it('has a nearest name for a plugin that there is not', async () => {
    const { code, stderr } = await sluice(['schema', 'filtre'])
    expect(code).toBe(2)
    expect(stderr).toContain('there is no plugin "filtre"; did you mean filter?')
  })

  it('finds this checkout up to date', async () => {
    expect(await sluice(['schema', '--check'])).toEqual({ code: 0, stdout: '', stderr: '' })
  })
})

describe('generated files', () => {
  it('are found to be stale, missing or left over, and mended', async () => {
    const root = await copyOfCheckout()
    expect(await stalePaths(root)).toEqual([])
    const schema = path.join(root, 'schemas/gateway.schema.json')
    await writeFile(schema, '{}')
    await writeFile(path.join(root, 'schemas/plugins/gone.schema.json'), '{}')
    const readme = path.join(root, 'plugins/filter/README.md')
    const words = await readFile(readme, 'utf8')
    await writeFile(readme, words.replace('| `status` |', '| `state` |'))
    const stale = await staleFiles(root, await generatedFiles(root, plugins))
    expect(stale.map((file) => file.path)).toEqual([
      'schemas/gateway.schema.json',
      'plugins/filter/README.md',
      'schemas/plugins/gone.schema.json',
    ])
    await writeFiles(root, stale)
    expect(await stalePaths(root)).toEqual([])
    expect(await readFile(readme, 'utf8')).toBe(words)
  })

  it('keep the words around a table', async () => {
    const root = await copyOfCheckout()
    const readme = path.join(root, 'plugins/README.md')
    const own = (await readFile(readme, 'utf8')).replace('# First-party', '# Our')
    await writeFile(readme, `${own}\nLast words.\n`)
    expect(await stalePaths(root)).toEqual([])
  })

  it('need their marks', async () => {
    const root = await copyOfCheckout()
    await writeFile(path.join(root, 'plugins/koa/README.md'), '# koa\n')
    await expect(generatedFiles(root, plugins)).rejects.toThrow(
      'plugins/koa/README.md has no lines <!-- options --> and <!-- /options -->',
    )
  })
})

describe('the table of options', () => {
  it('has the sentences, kinds and defaults of the schema, and nested options by path', () => {
    const plugin = definePlugin({
      name: 'made',
      stage: 'shape',
      summary: 'Made up.',
      schema: {
        type: 'object',
        additionalProperties: false,
        required: ['token'],
        properties: {
          token: secret({ description: 'A credential.' }),
          wait: duration({ default: '5s', description: 'How long.' }),
          mode: { enum: ['a', 'b|c'], default: 'a', description: 'Which.' },
          rules: {
            type: 'array',
            description: 'Rules.',
            items: {
              anyOf: [
                {
                  type: 'object',
                  additionalProperties: false,
                  properties: {
                    type: { const: 'allow' },
                    if: expression({ 'x-scope': 'request', description: 'Where.' }),
                  },
                },
                { type: 'string' },
              ],
            },
          },
          limits: {
            type: 'object',
            additionalProperties: {
              type: 'object',
              additionalProperties: false,
              properties: { top: { type: 'integer', description: 'Most.', examples: [3] } },
            },
            default: {},
            description: 'By name.',
          },
        },
      },
      setup: () => ({}),
    })
    expect(optionsTable(plugin).split('\n')).toEqual([
      '| option | type | default | what it does |',
      '| --- | --- | --- | --- |',
      '| `token` | secret | required | A credential. |',
      '| `wait` | duration | `5s` | How long. |',
      '| `mode` | `a`, `"b\\|c"` | `a` | Which. |',
      '| `rules` | list of map or text |  | Rules. |',
      '| `rules[]{type: allow}.if` | expression |  | Where. |',
      '| `limits` | map | `{}` | By name. |',
      '| `limits.NAME.top` | a whole number |  | Most. For example `3`. |',
    ])
  })
})
