import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { catalog } from '#plugins/index.ts'
import { gatewaySchema, pluginSchema } from '../config/json-schema.ts'
import { suggest } from '../kit/suggest.ts'
import { type Command, type Terminal, UsageError } from './command.ts'
import { generatedFiles, staleFiles, writeFiles } from './schema/generated.ts'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))

/** Prints the language as JSON Schema, and keeps the files that are made from it. */
export const schema: Command = {
  summary: 'Prints the JSON Schema of gateway.yaml, or of a plugin.',
  usage: `usage: sluice schema [PLUGIN]
       sluice schema --write | --check

  PLUGIN    prints the schema of this plugin's options
  --write   in a checkout: brings schemas/ and the tables in plugins/ up to date
  --check   in a checkout: names those that are not; exit code 1 where there are any

Editors read it from the first line of a config:
  # yaml-language-server: $schema=./schemas/gateway.schema.json`,

  async run(args, terminal) {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        write: { type: 'boolean', default: false },
        check: { type: 'boolean', default: false },
      },
    })
    const isAboutFiles = values.write || values.check
    if (positionals.length > 1) throw new UsageError('takes one plugin')
    if (isAboutFiles && positionals.length > 0) {
      throw new UsageError('--write and --check are about all plugins')
    }
    if (values.write && values.check) throw new UsageError('takes --write or --check')
    if (isAboutFiles) return tend(values.write, terminal)
    const schema = await schemaOf(positionals[0])
    terminal.stdout(`${JSON.stringify(schema, null, 2)}\n`)
    return 0
  },
}

async function tend(doesWrite: boolean, terminal: Terminal): Promise<number> {
  const plugins = await allPlugins()
  const stale = await staleFiles(ROOT, await generatedFiles(ROOT, plugins))
  if (doesWrite) {
    await writeFiles(ROOT, stale)
    for (const { path, content } of stale) {
      terminal.stdout(`${content === undefined ? 'removed' : 'wrote'} ${path}\n`)
    }
    return 0
  }
  for (const { path, content } of stale) {
    terminal.stderr(`${path}: ${content === undefined ? 'is of no plugin' : 'is out of date'}\n`)
  }
  if (stale.length > 0) terminal.stderr('  hint: npm run schemas\n')
  return stale.length > 0 ? 1 : 0
}

async function schemaOf(name: string | undefined): Promise<object> {
  if (name === undefined) return gatewaySchema(await allPlugins())
  if (catalog.names.includes(name)) return pluginSchema(await catalog.load(name))
  const near = suggest(name, catalog.names)
  const hint =
    near === undefined ? `there are ${catalog.names.join(', ')}` : `did you mean ${near}?`
  throw new UsageError(`there is no plugin ${JSON.stringify(name)}; ${hint}`)
}

function allPlugins() {
  return Promise.all(catalog.names.map((name) => catalog.load(name)))
}
