/** What a command may use of the process around it. */
export interface Terminal {
  stdout(text: string): void
  stderr(text: string): void
  readonly env: Readonly<Record<string, string | undefined>>
  readonly cwd: string
  /** True where a person reads along. */
  readonly isTerminal: boolean
  readonly stdin: AsyncIterable<string | Buffer>
}

/** One command. */
export interface Command {
  /** One line for the overview. */
  readonly summary: string
  /** How it is called, with its options; what `--help` prints. */
  readonly usage: string
  /** Resolves with the exit code: 0 well, 1 not well, 2 called wrongly. */
  run(args: readonly string[], terminal: Terminal): Promise<number>
}

/** A call that cannot be understood; the message says why. Exit code 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

/** The commands, loaded when they are called: `sluice run` should not pay for `sluice new`. */
const COMMANDS: Readonly<Record<string, () => Promise<Command>>> = {
  run: async () => (await import('./run.ts')).run,
  check: async () => (await import('./check.ts')).check,
  explain: async () => (await import('./explain.ts')).explain,
  schema: async () => (await import('./schema.ts')).schema,
  list: async () => (await import('./list.ts')).list,
  new: async () => (await import('./new.ts')).newPlugin,
  keys: async () => (await import('./keys.ts')).keys,
  audit: async () => (await import('./audit.ts')).audit,
  doctor: async () => (await import('./doctor.ts')).doctor,
}

/** Runs `sluice ARGS…`; resolves with the exit code. */
export async function runCommand(args: readonly string[], terminal: Terminal): Promise<number> {
  const [name, ...rest] = args
  if (name === undefined || name === 'help' || name === '--help' || name === '-h') {
    terminal.stdout(await overview())
    return name === undefined ? 2 : 0
  }
  if (name === '--version' || name === '-v') {
    terminal.stdout(`${await version()}\n`)
    return 0
  }
  const load = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined
  if (load === undefined) {
    const { suggest } = await import('../kit/suggest.ts')
    const near = suggest(name, Object.keys(COMMANDS))
    terminal.stderr(`sluice: unknown command ${JSON.stringify(name)}\n`)
    terminal.stderr(
      near ? `  hint: did you mean ${near}?\n` : '  hint: sluice --help lists the commands\n',
    )
    return 2
  }
  const command = await load()
  if (rest.includes('--help') || rest.includes('-h')) {
    terminal.stdout(`${command.summary}\n\n${command.usage}\n`)
    return 0
  }
  try {
    return await command.run(rest, terminal)
  } catch (cause) {
    if (!isUsageError(cause)) throw cause
    terminal.stderr(`sluice ${name}: ${cause.message}\n  hint: sluice ${name} --help\n`)
    return 2
  }
}

/** `util.parseArgs` throws TypeErrors with a code of its own. */
function isUsageError(cause: unknown): cause is Error {
  if (cause instanceof UsageError) return true
  return (
    cause instanceof TypeError && 'code' in cause && String(cause.code).startsWith('ERR_PARSE_ARGS')
  )
}

async function overview(): Promise<string> {
  const lines: string[] = []
  for (const [name, load] of Object.entries(COMMANDS)) {
    lines.push(`  ${name.padEnd(10)}${(await load()).summary}\n`)
  }
  return `sluice ${await version()}: a declarative gateway for LLM APIs, and any HTTP or WebSocket API\n\nusage: sluice COMMAND [ARGS]\n\n${lines.join('')}\nsluice COMMAND --help tells more.\n`
}

async function version(): Promise<string> {
  const { default: manifest } = await import('../../package.json', { with: { type: 'json' } })
  return manifest.version
}
