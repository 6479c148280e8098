import { parseArgs } from 'node:util'
import { loadConfig } from '../config/load.ts'
import type { Config } from '../config/model.ts'
import { ConfigError, formatProblem, type Problem } from '../config/problems.ts'
import { type Gateway, type GatewayOptions, startGateway } from '../kernel/gateway.ts'
import { createLogger } from '../kernel/log.ts'
import { asksForInline, canRunInline, INLINE_FLAG } from '../sandbox/inline.ts'
import { catalog } from './catalog.ts'
import { type Command, type Terminal, UsageError } from './command.ts'

/** Starts the gateway and serves until a signal ends it. */
export const run: Command = {
  summary: 'Starts the gateway.',
  usage: `usage: sluice run [FILE] [--port N] [--admin-port N] [--strict] [--json] [--log-level LEVEL]

  FILE            the config; default ./gateway.yaml
  --port          listens here, whatever the config says; 0 picks a free port
  --admin-port    the same for the admin listener
  --strict        refuses a config with warnings
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
        strict: { type: 'boolean', default: false },
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
    const { cwd, env } = terminal
    const port = portOf('--port', values.port)
    const adminPort = portOf('--admin-port', values['admin-port'])
    const options = { file, cwd, env, catalog, port, adminPort }
    let gateway: Gateway
    try {
      if (values.strict) await refuseWarnings(options)
      const log = createLogger(level, 2)
      gateway = await startGateway({ ...options, log, onConfig: restartForInline })
    } catch (cause) {
      terminal.stderr(`${startFailure(cause)}\n`)
      return 1
    }
    sayProblems(gateway.warnings, terminal)
    // Listened for before it says ready: whoever reads that may send a signal at once.
    const stopped = untilStopped(gateway, terminal)
    sayReady(gateway, file, values.json, terminal)
    await stopped
    return 0
  },
}

/**
 * Scripts inside the gateway need a flag of Node's that only its command line can give. Where the config has some, this
 * process begins anew with it: same number, same files, same arguments. Elsewhere than on POSIX it stays as it is, and
 * the script says what is missing.
 */
function restartForInline({ routes }: Config): void {
  const isAsked = routes.some(({ steps }) => steps.some(({ options }) => asksForInline(options)))
  if (!isAsked || canRunInline() || process.platform === 'win32') return
  const { execPath, execArgv, argv, env } = process
  const flags = [INLINE_FLAG, '--disable-warning=ExperimentalWarning', ...execArgv]
  process.execve?.(execPath, [execPath, ...flags, ...argv.slice(1)], env as Record<string, string>)
}

/** Before anything listens. Throws a ConfigError with all that is wrong or doubtful. */
async function refuseWarnings(options: Omit<GatewayOptions, 'log'>): Promise<void> {
  const { problems } = await loadConfig(options.file, options)
  if (problems.length > 0) throw new ConfigError(problems)
}

function sayProblems(problems: readonly Problem[], { stderr }: Terminal): void {
  for (const problem of problems) stderr(`${formatProblem(problem)}\n`)
}

function portOf(option: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const port = Number(text)
  if (/^\d{1,5}$/.test(text) && port <= 65_535) return port
  throw new UsageError(`${option} takes a port from 0 to 65535, got ${JSON.stringify(text)}`)
}

/** What Node tells of a listener that could not be opened. */
interface ListenFailure {
  readonly address?: string
  readonly port?: number
}

/** Problems as they are; a port in use and the like in one line; a bug with its stack. */
function startFailure(cause: unknown): string {
  if (cause instanceof ConfigError) return cause.message
  if (!(cause instanceof Error)) return String(cause)
  const { code, address, port } = cause as NodeJS.ErrnoException & ListenFailure
  if (code === 'EADDRINUSE') {
    return `sluice: ${address}:${port} is in use by another program\n  hint: end that one, or take another port with --port N or --admin-port N`
  }
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
  // Somebody who has just typed `npm start` wants to see it answer.
  const isWatched = terminal.isTerminal || terminal.env['npm_lifecycle_event'] === 'start'
  if (isWatched && canTry(gateway)) terminal.stderr(tryHint(url))
}

/** True where a chat request needs nothing more than the gateway itself. */
function canTry({ generation }: Gateway): boolean {
  const { routes, upstreams } = generation.config
  const isDemo = (name: string) => upstreams.get(name)?.dialects.includes('demo') ?? false
  return routes.some(({ match, upstreams }) => {
    const isChat = match.api.includes('openai-chat') || match.paths.includes(CHAT_PATH)
    return isChat && match.hosts.length === 0 && upstreams.some(isDemo)
  })
}

const CHAT_PATH = '/v1/chat/completions'

function tryHint(url: string): string {
  const body = '{"model":"demo","messages":[{"role":"user","content":"hello"}]}'
  return `  try: curl ${url}${CHAT_PATH} -H 'content-type: application/json' -d '${body}'\n`
}

/** Waits for a signal and ends the gateway. A second signal ends the process. */
async function untilStopped(gateway: Gateway, terminal: Terminal): Promise<void> {
  let isStopping = false
  // Stays while it stops: without a listener, a hangup would end the process and cut what is under way.
  process.on('SIGHUP', () => {
    if (!isStopping) void reload(gateway, terminal)
  })
  const signal = await new Promise<NodeJS.Signals>((stop) => {
    process.once('SIGTERM', stop)
    process.once('SIGINT', stop)
  })
  isStopping = true
  for (const again of ['SIGTERM', 'SIGINT'] as const) process.once(again, () => process.exit(130))
  // What a plugin closes may keep nobody alive: Node would end with code 13 then, in the middle of it.
  const alive = setInterval(() => undefined, 60_000)
  try {
    // A person at a terminal has no load balancer to wait for.
    await gateway.close(signal === 'SIGINT' ? { delayMs: 0 } : {})
  } finally {
    clearInterval(alive)
  }
}

async function reload(gateway: Gateway, terminal: Terminal): Promise<void> {
  try {
    const result = await gateway.reload()
    sayProblems(result.ok ? result.warnings : result.problems, terminal)
    if (!result.ok) terminal.stderr('sluice: config refused, the one before goes on\n')
    else if (result.changed) terminal.stderr(`sluice: config reloaded (${result.generation})\n`)
    else terminal.stderr('sluice: config unchanged\n')
  } catch (cause) {
    terminal.stderr(`sluice: reload failed: ${startFailure(cause)}\n`)
  }
}
