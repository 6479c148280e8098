import { readdir, readFile } from 'node:fs/promises'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { loadConfig } from '#core/config/load.ts'
import type { PluginCatalog } from '#core/config/model.ts'
import { formatProblem } from '#core/config/problems.ts'
import type { Plugin, Schema } from '#core/sdk.ts'
import { catalog } from '#plugins/index.ts'

const folder = path.resolve(import.meta.dirname, '../../cases/roadmap')
const blocks = await Promise.all(
  (await readdir(folder)).map(async (name) => {
    const text = await readFile(path.join(folder, name), 'utf8')
    return { name: name.replace('.json', ''), text, block: JSON.parse(text) as object }
  }),
)

/** Our own plugin where there is one, else one that takes the options that the roadmap shows. */
function catalogFor(block: object): PluginCatalog {
  const [[name, options]] = Object.entries(block) as [[string, object]]
  if (catalog.names.includes(name)) return catalog
  const keys = Object.keys(options).filter((key) => key !== 'enabled')
  const properties = Object.fromEntries(keys.map((key): [string, Schema] => [key, {}]))
  const schema = { type: 'object', additionalProperties: false, properties } as const
  const plugin: Plugin = { name, stage: 'shape', summary: 'Is to come.', schema, setup: () => ({}) }
  return { names: [name], load: async () => plugin }
}

describe('each block of the roadmap', () => {
  it.each(blocks)('stands as a step as it is: $name', async ({ name, text, block }) => {
    const indented = text.trim().replaceAll('\n', '\n      ')
    const config = `version: 1
upstreams: { demo: { dialect: demo } }
routes: [{ id: all, upstream: demo, pipeline: main }]
pipelines:
  main:
    - ${indented}
`
    const options = { text: config, env: {}, catalog: catalogFor(block) }
    const loaded = await loadConfig('gateway.yaml', options)
    const errors = loaded.problems.filter(({ severity }) => severity === 'error')
    expect(errors.map(formatProblem)).toEqual([])
    expect(loaded.config!.routes[0]!.steps.map(({ plugin }) => plugin.name)).toEqual([name])
  })
})
