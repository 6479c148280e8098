import { parseArgs } from 'node:util'
import { catalog } from './catalog.ts'
import { STAGES } from '../sdk.ts'
import type { Command } from './command.ts'

/** Shows the plugins that can be used. */
export const list: Command = {
  summary: 'Shows the plugins, by stage.',
  usage: `usage: sluice list [--json]`,

  async run(args, terminal) {
    const { values } = parseArgs({
      args: [...args],
      options: { json: { type: 'boolean', default: false } },
    })
    const plugins = await Promise.all(catalog.names.map((name) => catalog.load(name)))
    plugins.sort(
      (a, b) => STAGES.indexOf(a.stage) - STAGES.indexOf(b.stage) || compare(a.name, b.name),
    )
    if (values.json) {
      const rows = plugins.map(({ name, stage, summary, status }) => ({
        name,
        stage,
        summary,
        status,
      }))
      terminal.stdout(`${JSON.stringify(rows, null, 2)}\n`)
      return 0
    }
    const width = Math.max(...plugins.map(({ name }) => name.length))
    for (const { name, stage, summary, status } of plugins) {
      const note = status === undefined ? '' : ` (${status})`
      terminal.stdout(`${stage.padEnd(10)}${name.padEnd(width + 2)}${summary}${note}\n`)
    }
    return 0
  },
}

function compare(a: string, b: string): number {
  return a < b ? -1 : 1
}
