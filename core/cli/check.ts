import { parseArgs } from 'node:util'
import { catalog } from './catalog.ts'
import { loadConfig } from '../config/load.ts'
import { formatProblem } from '../config/problems.ts'
import { type Command, UsageError } from './command.ts'

/** Tells everything that is wrong with a config, without starting anything. */
export const check: Command = {
  summary: 'Tells everything that is wrong with a config, without starting it.',
  usage: `usage: sluice check [FILE] [--strict] [--json]

  FILE       the config; default ./gateway.yaml
  --strict   warnings count as errors
  --json     problems as JSON, one list

Needs no network and no keys. Exit code 0: it would load; 1: it would not.`,

  async run(args, terminal) {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        strict: { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
      },
    })
    if (positionals.length > 1) throw new UsageError('takes one file')
    const [file = './gateway.yaml'] = positionals
    const { config, problems } = await loadConfig(file, {
      env: terminal.env,
      cwd: terminal.cwd,
      catalog,
      allowMissingSecrets: true,
    })
    const isGood = config !== undefined && (!values.strict || problems.length === 0)
    if (values.json) {
      terminal.stdout(`${JSON.stringify({ ok: isGood, problems }, null, 2)}\n`)
      return isGood ? 0 : 1
    }
    for (const problem of problems) terminal.stderr(`${formatProblem(problem)}\n`)
    const count = (severity: string) =>
      problems.filter((problem) => problem.severity === severity).length
    if (isGood) {
      const { routes, upstreams } = config
      terminal.stdout(
        `${file} is right: ${plural(routes.length, 'route')}, ${plural(upstreams.size, 'upstream')}${warned(count('warning'))}\n`,
      )
    } else {
      terminal.stderr(
        `${file} cannot be loaded: ${plural(count('error'), 'error')}${warned(count('warning'))}\n`,
      )
    }
    return isGood ? 0 : 1
  },
}

function warned(warnings: number): string {
  return warnings === 0 ? '' : `, ${plural(warnings, 'warning')}`
}

function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`
}
