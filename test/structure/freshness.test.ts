import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { generatedFiles, staleFiles } from '#core/cli/schema/generated.ts'
import { catalog } from '#plugins/index.ts'

it('schemas and option tables say what the code says; npm run schemas writes them', async () => {
  expect(await findStale(resolve('.'))).toEqual([])
})

it('a schema, a table or a file of no plugin that was left behind is caught', async () => {
  const copy = await mkdtemp(join(tmpdir(), 'sluice-stale-'))
  onTestFinished(() => rm(copy, { recursive: true }))
  for (const folder of ['plugins', 'schemas'])
    await cp(folder, join(copy, folder), { recursive: true })
  await edit(join(copy, 'schemas/gateway.schema.json'), '"gateway.yaml"', '"gateway"')
  await edit(join(copy, 'plugins/filter/README.md'), /\| `deny` .*\n/, '')
  await writeFile(join(copy, 'schemas/plugins/gone.schema.json'), '{}')
  expect(await findStale(copy)).toEqual([
    'plugins/filter/README.md',
    'schemas/gateway.schema.json',
    'schemas/plugins/gone.schema.json',
  ])
})

async function findStale(root: string): Promise<string[]> {
  const plugins = await Promise.all(catalog.names.map((name) => catalog.load(name)))
  const stale = await staleFiles(root, await generatedFiles(root, plugins))
  return stale.map(({ path }) => path).sort()
}

async function edit(file: string, what: string | RegExp, by: string): Promise<void> {
  const text = await readFile(file, 'utf8')
  expect(text).toMatch(what)
  await writeFile(file, text.replace(what, by))
}
