import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as wait } from 'node:timers/promises'
import { createClient } from 'redis'

/** False on a machine without Redis; its tests are skipped there. Debian: `apt-get install redis-server redis-sentinel`. */
export const hasRedis =
  isInstalled('redis-server') ||
  (console.warn('tests of Redis are skipped: redis-server is not installed'), false)

/** The same for failing over. */
export const hasSentinel = hasRedis && isInstalled('redis-sentinel')

function isInstalled(command: string): boolean {
  return spawnSync(command, ['--version']).status === 0
}

/** A Redis of the test's own, on a free port of the loopback, which keeps nothing on disk. */
export class TestRedis {
  readonly port: number
  readonly #folder: string
  readonly #args: readonly string[]
  #process: ChildProcess | undefined

  private constructor(port: number, folder: string, args: readonly string[]) {
    this.port = port
    this.#folder = folder
    this.#args = args
  }

  /** `args` are further options: `['--requirepass', 'x']`. */
  static async start(args: readonly string[] = []): Promise<TestRedis> {
    const folder = await mkdtemp(join(tmpdir(), 'sluice-redis-'))
    const server = new TestRedis(await freePort(), folder, args)
    await server.start()
    return server
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`
  }

  /** Starts it, again and empty where it was killed. */
  async start(): Promise<void> {
    const port = String(this.port)
    const options = ['--port', port, '--bind', '127.0.0.1', '--save', '', '--dir', this.#folder]
    options.push('--repl-diskless-sync-delay', '0')
    const child = spawn('redis-server', [...options, ...this.#args], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    this.#process = child
    await untilLine(child, /Ready to accept connections/)
  }

  /** One command of an operator. */
  run(...command: string[]): Promise<unknown> {
    return ask(this.port, command)
  }

  /** Stands still, as on a machine that swaps: connections stay, answers don't come. */
  pause(): void {
    this.#process?.kill('SIGSTOP')
  }

  resume(): void {
    this.#process?.kill('SIGCONT')
  }

  async kill(): Promise<void> {
    const child = this.#process
    this.#process = undefined
    if (child === undefined || child.exitCode !== null) return
    const exited = once(child, 'exit')
    child.kill('SIGKILL')
    await exited
  }

  async stop(): Promise<void> {
    await this.kill()
    await rm(this.#folder, { recursive: true, force: true })
  }
}

/** They find each other in their own time, and tell nobody when. */
const SENTINELS_MEET_MS = 50

/** Sentinels that watch one master, and name it `mymaster`. */
export class TestSentinels {
  readonly ports: readonly number[]
  readonly #folder: string
  readonly #processes: readonly ChildProcess[]

  private constructor(folder: string, ports: readonly number[], processes: ChildProcess[]) {
    this.#folder = folder
    this.ports = ports
    this.#processes = processes
  }

  /** A master counts as down after `downAfterMs` without an answer. */
  static async start(master: TestRedis, downAfterMs: number, count = 3): Promise<TestSentinels> {
    const folder = await mkdtemp(join(tmpdir(), 'sluice-sentinel-'))
    const ports: number[] = []
    const processes: ChildProcess[] = []
    for (let at = 0; at < count; at++) {
      const port = await freePort()
      const file = join(folder, `${at}.conf`)
      await writeFile(
        file,
        `port ${port}
bind 127.0.0.1
dir ${folder}
sentinel monitor mymaster 127.0.0.1 ${master.port} ${Math.floor(count / 2) + 1}
sentinel down-after-milliseconds mymaster ${downAfterMs}
sentinel failover-timeout mymaster 3000
`,
      )
      const child = spawn('redis-sentinel', [file], { stdio: ['ignore', 'pipe', 'inherit'] })
      processes.push(child)
      ports.push(port)
      await untilLine(child, /\+monitor master/)
    }
    return new TestSentinels(folder, ports, processes)
  }

  /** Resolves once all of them know each other and the replicas: before, none is agreed on for a master. */
  async untilReady(replicas: number): Promise<void> {
    const others = this.ports.length - 1
    for (const port of this.ports) {
      for (;;) {
        const master = await ask(port, ['SENTINEL', 'MASTER', 'mymaster'])
        const known = master as Record<string, string>
        const isComplete =
          Number(known['num-slaves']) === replicas &&
          Number(known['num-other-sentinels']) === others
        if (isComplete) break
        await wait(SENTINELS_MEET_MS)
      }
    }
  }

  get url(): string {
    return `redis+sentinel://${this.ports.map((port) => `127.0.0.1:${port}`).join(',')}/mymaster`
  }

  async stop(): Promise<void> {
    const exits = this.#processes.map((child) => once(child, 'exit'))
    for (const child of this.#processes) child.kill('SIGKILL')
    await Promise.all(exits)
    await rm(this.#folder, { recursive: true, force: true })
  }
}

async function ask(port: number, command: string[]): Promise<unknown> {
  const client = await createClient({ socket: { host: '127.0.0.1', port } }).connect()
  try {
    return await client.sendCommand(command)
  } finally {
    client.destroy()
  }
}

async function freePort(): Promise<number> {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

/** Resolves once the process has written such a line; rejects where it ends before. */
async function untilLine(child: ChildProcess, pattern: RegExp): Promise<void> {
  const lines: string[] = []
  await new Promise<void>((resolve, reject) => {
    child.once('error', reject)
    createInterface({ input: child.stdout! })
      .on('line', (line) => {
        lines.push(line)
        if (pattern.test(line)) resolve()
      })
      .once('close', () => reject(new Error(`it ended too early:\n${lines.join('\n')}`)))
  })
}
