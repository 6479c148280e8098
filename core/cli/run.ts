import { parseArgs } from 'node:util'
import { catalog } from './catalog.ts'
import { ConfigError, formatProblem } from '../config/problems.ts'
import { type Gateway, startGateway } from '../kernel/gateway.ts'
import { createLogger } from '../kernel/log.ts'
import { type Command, type Terminal, UsageError } from './command.ts'

/** Starts the gateway and serves until a signal ends it. */
export const run: Command = {
  summary: 'Starts the gateway.',
  usage: `usage: sluice run [FILE] [--port N] [--admin-port N] [--json] [--log-level LEVEL]

  FILE            the config; default ./gateway.yaml
  --port          listens here, whatever the config says; 0 picks a free port
  --admin-port    the same for the admin listener
  --json          says when it is ready as one line of JSON
  --log-level     debug, info, warn (default) or error: the gateway's own log on stderr

SIGHUP reloads the config. SIGTERM drains and stops, SIGINT stops at once when nothing is under way;
a second signal stops immediately.`,

  async run(args, terminal) {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        port: { type: 'string' },
        'admin-port': { type: 'string' },
        json: { type: 'boolean', default: false },
        'log-level': { type: 'string', default: 'warn' },
      },
    })
    if (positionals.length > 1) throw new UsageError('takes one file')
    const [file = './gateway.yaml'] = positionals
    const level = values['log-level']
    if (!['debug', 'info', 'warn', 'error'].includes(level)) {
      throw new UsageError(`--log-level takes debug, info, warn or error, got ${level}`)
    }
    let gateway: Gateway
    try {
      gateway = await startGateway({
        file,
        cwd: terminal.cwd,
        env: terminal.env,
        catalog,
        port: portOf('--port', values.port),
        adminPort: portOf('--admin-port', values['admin-port']),
        log: createLogger(level, 2),
      })
    } catch (cause) {
      terminal.stderr(`${startFailure(cause)}\n`)
      return 1
    }
    for (const warning of gateway.warnings) terminal.stderr(`${formatProblem(warning)}\n`)
    sayReady(gateway, file, values.json, terminal)
    await untilStopped(gateway)
    return 0
  },
}

function portOf(option: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const port = Number(text)
  if (/^\d{1,5}$/.test(text) && port <= 65_535) return port
  throw new UsageError(`${option} takes a port from 0 to 65535, got ${JSON.stringify(text)}`)
}

/** Problems as they are; a port in use and the like in one line; a bug with its stack. */
function startFailure(cause: unknown): string {
  if (cause instanceof ConfigError) return cause.message
  if (!(cause instanceof Error)) return String(cause)
  const { code } = cause as NodeJS.ErrnoException
  if (code === 'EADDRINUSE') return `sluice: ${cause.message}\n  hint: another port with --port N`
  if (code === 'EACCES')
    return `sluice: ${cause.message}\n  hint: ports below 1024 need a privilege`
  return cause.stack ?? cause.message
}

function sayReady(gateway: Gateway, file: string, asJson: boolean, terminal: Terminal): void {
  const { url, adminUrl } = gateway
  if (asJson) {
    terminal.stdout(
      `${JSON.stringify({ event: 'ready', url, adminUrl, file, pid: process.pid })}\n`,
    )
    return
  }
  const admin = adminUrl === undefined ? '' : `, admin on ${adminUrl}`
  terminal.stdout(`sluice is ready on ${url}${admin} (${file})\n`)
}

/** Waits for a signal and ends the gateway. A second signal ends the process. */
async function untilStopped(gateway: Gateway): Promise<void> {
  const onHangup = () => void gateway.reload()
  process.on('SIGHUP', onHangup)
  const signal = await new Promise<NodeJS.Signals>((stop) => {
    process.once('SIGTERM', stop)
    process.once('SIGINT', stop)
  })
  process.off('SIGHUP', onHangup)
  for (const again of ['SIGTERM', 'SIGINT'] as const) process.once(again, () => process.exit(130))
  // A person at a terminal has no load balancer to wait for.
  await gateway.close(signal === 'SIGINT' ? { delayMs: 0 } : {})
}
