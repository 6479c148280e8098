import { parseArgs } from 'node:util'
import { loadConfig } from '../config/load.ts'
import { formatProblem } from '../config/problems.ts'
import { catalog } from './catalog.ts'
import { type Command, type Terminal, UsageError } from './command.ts'
import { examineConfig } from './doctor/config.ts'
import { fail, type Finding, ok, warn } from './doctor/finding.ts'
import { examineLimits, examineVersions } from './doctor/machine.ts'
import { examineUpstreams } from './doctor/network.ts'

/** Tells whether this machine can run a config. */
export const doctor: Command = {
  summary: 'Tells whether this machine can run a config, and what to do where it cannot.',
  usage: `usage: sluice doctor [FILE] [--network] [--json]

  FILE        the config; default ./gateway.yaml
  --network   also connects to each upstream: name, connection and certificate, no request
  --json      the same as data, one list

Exit code 0: it can; 1: it cannot. Opens the store, and the ports for a moment.`,

  async run(args, terminal) {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        network: { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
      },
    })
    if (positionals.length > 1) throw new UsageError('takes one file')
    const [file = './gateway.yaml'] = positionals
    const findings = await examine(file, values.network, terminal)
    const isWell = findings.every(({ state }) => state !== 'fail')
    if (values.json) terminal.stdout(`${JSON.stringify({ ok: isWell, findings }, null, 2)}\n`)
    else print(findings, terminal)
    return isWell ? 0 : 1
  },
}

async function examine(
  file: string,
  asksUpstreams: boolean,
  { env, cwd }: Terminal,
): Promise<Finding[]> {
  const { default: manifest } = await import('../../package.json', { with: { type: 'json' } })
  const { config, problems } = await loadConfig(file, { env, cwd, catalog })
  const findings = await examineVersions(manifest)
  findings.push(...examineLimits(config?.server.limits.connections ?? 0, Date.now()))
  if (config === undefined) {
    const first = problems.find(({ severity }) => severity === 'error')
    const rest = `sluice check ${file} tells all of it`
    findings.push(fail('config', first ? formatProblem(first) : 'cannot be loaded', rest))
    return findings
  }
  findings.push(
    problems.length === 0
      ? ok('config', `${file} loads`)
      : warn('config', `${file} loads, with warnings`, `sluice check ${file}`),
    ...(await examineConfig(config)),
  )
  if (asksUpstreams) findings.push(...(await examineUpstreams(config)))
  return findings
}

function print(findings: readonly Finding[], { stdout }: Terminal): void {
  const width = Math.max(...findings.map(({ subject }) => subject.length))
  for (const { subject, state, message, remedy } of findings) {
    stdout(`${state.padEnd(6)}${subject.padEnd(width + 2)}${message}\n`)
    if (remedy !== undefined) stdout(`${' '.repeat(width + 8)}${remedy}\n`)
  }
}
