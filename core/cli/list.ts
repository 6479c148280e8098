import { parseArgs } from 'node:util'
import { access } from 'node:fs/promises'
import { resolve } from 'node:path'
import { loadConfig } from '../config/load.ts'
import type { Config } from '../config/model.ts'
import { formatProblem } from '../config/problems.ts'
import { catalog } from './catalog.ts'
import { STAGES } from '../sdk.ts'
import { type Command, type Terminal, UsageError } from './command.ts'

/** Shows the plugins that can be used. */
export const list: Command = {
  summary: 'Shows the plugins, by stage.',
  usage: `usage: sluice list [FILE] [--json]`.concat(`

  FILE     a config, whose plugins of others are shown too, with their trust and grants; default ./gateway.yaml, if
           there is one
  --json   one list`),

  async run(args, terminal) {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: { json: { type: 'boolean', default: false } },
    })
    if (positionals.length > 1) throw new UsageError('takes one file')
    const foreign = await foreignPlugins(positionals[0], terminal)
    if (foreign === undefined) return 1
    const own: Listed[] = await Promise.all(catalog.names.map((name) => catalog.load(name)))
    const plugins: Listed[] = [...own, ...foreign]
    plugins.sort(
      (a, b) => STAGES.indexOf(a.stage) - STAGES.indexOf(b.stage) || compare(a.name, b.name),
    )
    if (values.json) {
      const rows = plugins.map(({ name, stage, summary, status, from, trust, allow }) => ({
        name,
        stage,
        summary,
        status,
        from,
        trust,
        allow,
      }))
      terminal.stdout(`${JSON.stringify(rows, null, 2)}\n`)
      return 0
    }
    const width = Math.max(...plugins.map(({ name }) => name.length))
    for (const plugin of plugins) {
      const { name, stage, summary } = plugin
      const note = noteOf(plugin)
      terminal.stdout(`${stage.padEnd(10)}${name.padEnd(width + 2)}${summary}${note}\n`)
    }
    return 0
  },
}

/** A plugin as it is shown; `from` and what follows it only for those of others. */
interface Listed {
  readonly name: string
  readonly stage: (typeof STAGES)[number]
  readonly summary: string
  readonly status?: string
  readonly from?: string
  readonly trust?: string
  readonly allow?: readonly string[]
}

/** The plugins of others that a config names; undefined, with its problems told, for one that cannot be loaded. */
async function foreignPlugins(
  file: string | undefined,
  { cwd, env, stderr }: Terminal,
): Promise<Config['plugins'] | undefined> {
  const isThere = await access(resolve(cwd, 'gateway.yaml')).then(
    () => true,
    () => false,
  )
  if (file === undefined && !isThere) return []
  const options = { env, cwd, catalog, allowMissingSecrets: true }
  const { config, problems } = await loadConfig(file ?? './gateway.yaml', options)
  if (config !== undefined) return config.plugins
  // Nobody asked for this file: what can be said without it is said.
  if (file === undefined) return []
  for (const problem of problems) stderr(`${formatProblem(problem)}\n`)
  return undefined
}

function noteOf({ status, trust, allow = [] }: Listed): string {
  if (trust === undefined) return status === undefined ? '' : ` (${status})`
  const grants =
    trust === 'full' ? '' : `, allow: ${allow.length === 0 ? 'nothing' : allow.join(', ')}`
  return ` (trust: ${trust}${grants})`
}

function compare(a: string, b: string): number {
  return a < b ? -1 : 1
}
