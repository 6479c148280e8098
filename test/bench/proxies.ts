import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { type AddressInfo, connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A process under measurement. */
export interface Proxy {
  readonly name: string
  readonly port: number
  /** The load that it is under, where it is another than that of the scenario. */
  readonly kind?: string
  /** Header fields that its clients must send, one per line. */
  readonly headers: string
  /** CPU time of the process, its threads and its children so far. Microseconds. */
  cpu(): number
  /** Resident memory of the process and its children. Bytes. */
  memory(): number
  stop(): Promise<void>
}

const hasTaskset = tryRun('taskset', ['--version'])
const cores = Number(execFileSync('nproc').toString())

/** The command on a core of its own, where that can be had and is wanted. */
export function pinned(
  core: number | undefined,
  command: string,
  args: readonly string[],
): [string, string[]] {
  return hasTaskset && cores > 1 && core !== undefined
    ? ['taskset', ['-c', String(core), command, ...args]]
    : [command, [...args]]
}

const children = new Set<ChildProcess>()
const folder = mkdtempSync(join(tmpdir(), 'sluice-bench-'))

// Also after a failure: nothing that was started outlives the run.
process.once('exit', () => {
  for (const child of children) child.kill('SIGKILL')
  rmSync(folder, { recursive: true, force: true })
})
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130))

/** Starts a process that ends with this one at the latest. */
export function launch(
  core: number | undefined,
  command: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv = process.env,
): ChildProcess {
  const child = spawn(...pinned(core, command, args), { env, stdio: ['ignore', 'pipe', 'pipe'] })
  children.add(child)
  child.once('exit', () => children.delete(child))
  child.stderr.resume()
  return child
}

/** How long a process may take until it says that it is ready. Milliseconds. */
const READY_MS = 30_000

/** Starts a process and waits for a line that matches on its stdout. */
export async function start(
  core: number | undefined,
  command: string,
  args: readonly string[],
  ready: RegExp,
): Promise<{ child: ChildProcess; line: RegExpExecArray }> {
  const child = launch(core, command, args)
  const line = await new Promise<RegExpExecArray>((resolve, reject) => {
    let text = ''
    const late = () => reject(new Error(`${command} ${args.join(' ')} is not ready: ${text}`))
    const timer = setTimeout(late, READY_MS)
    child.stderr!.on('data', (chunk: Buffer) => (text += chunk.toString()))
    child.stdout!.on('data', (chunk: Buffer) => {
      text += chunk.toString()
      const match = ready.exec(text)
      if (!match) return
      clearTimeout(timer)
      resolve(match)
    })
    child.once('exit', (code) => {
      clearTimeout(timer)
      reject(new Error(`${command} ${args.join(' ')} ended with ${code}: ${text}`))
    })
  })
  return { child, line }
}

/** The command as users of a checkout run it. */
export const COMMAND = 'core/cli/sluice.js'

/** Sluice with a config of its own, on one core or on all. */
export async function startSluice(
  name: string,
  yaml: string,
  core: number | 'any' = 0,
): Promise<Proxy> {
  const file = join(mkdtempSync(join(folder, 'sluice-')), 'gateway.yaml')
  writeFileSync(file, `version: 1\nstore: "memory:"\n${yaml}`)
  const args = [COMMAND, 'run', file, '--port', '0', '--admin-port', '0', '--json']
  const { child, line } = await start(
    core === 'any' ? undefined : core,
    process.execPath,
    args,
    /"url":"http:\/\/[^:]+:(\d+)"/,
  )
  return proxyOf(name, child, Number(line[1]))
}

/** nginx with one worker that passes everything on; undefined where it is not installed. */
export async function startNginx(upstream: number): Promise<Proxy | undefined> {
  if (!tryRun('nginx', ['-v'])) return undefined
  const home = mkdtempSync(join(folder, 'nginx-'))
  const port = await freePort()
  const file = join(home, 'nginx.conf')
  writeFileSync(
    file,
    `daemon off; worker_processes 1; error_log stderr error; pid ${home}/pid;
     events { worker_connections 1024; }
     http {
       access_log off; client_body_temp_path ${home}/b; proxy_temp_path ${home}/p;
       fastcgi_temp_path ${home}/f; uwsgi_temp_path ${home}/u; scgi_temp_path ${home}/s;
       keepalive_requests 1000000000;
       upstream model { server 127.0.0.1:${upstream}; keepalive 128; keepalive_requests 1000000000; }
       server {
         listen 127.0.0.1:${port};
         location /live {
           proxy_pass http://model; proxy_http_version 1.1;
           proxy_set_header upgrade $http_upgrade; proxy_set_header connection upgrade;
         }
         location / {
           proxy_pass http://model; proxy_http_version 1.1; proxy_set_header connection ""; proxy_buffering off;
         }
       }
     }`,
  )
  const child = launch(0, 'nginx', ['-c', file, '-p', home])
  await until(port)
  return proxyOf('nginx', child, port)
}

/** Portkey's gateway, which is told by header whom to ask. */
export async function startPortkey(upstream: number): Promise<Proxy> {
  const port = await freePort()
  const main = 'node_modules/@portkey-ai/gateway/build/start-server.js'
  const child = launch(0, process.execPath, [main, '--headless', `--port=${port}`], {
    ...process.env,
    NODE_ENV: 'production',
    TRUSTED_CUSTOM_HOSTS: '127.0.0.1,localhost',
  })
  child.stdout!.resume()
  await until(port)
  const headers = `x-portkey-provider: openai\nx-portkey-custom-host: http://127.0.0.1:${upstream}/v1`
  return { ...proxyOf('portkey', child, port), headers }
}

function proxyOf(name: string, child: ChildProcess, port: number): Proxy {
  const pids = () => [child.pid!, ...childrenOf(child.pid!)]
  return {
    name,
    port,
    headers: '',
    cpu: () => pids().reduce((sum, pid) => sum + cpuOf(pid), 0),
    memory: () => pids().reduce((sum, pid) => sum + memoryOf(pid), 0),
    async stop() {
      const ended = new Promise((resolve) => child.once('exit', resolve))
      child.kill('SIGINT')
      const timer = setTimeout(() => child.kill('SIGKILL'), 2_000)
      await ended
      clearTimeout(timer)
    },
  }
}

function childrenOf(pid: number): number[] {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim()
  if (children === '') return []
  return children
    .split(' ')
    .map(Number)
    .flatMap((child) => [child, ...childrenOf(child)])
}

/** The first figure of schedstat is time on a CPU, in nanoseconds. */
function cpuOf(pid: number): number {
  return readdirSync(`/proc/${pid}/task`).reduce((sum, task) => {
    try {
      const [run] = readFileSync(`/proc/${pid}/task/${task}/schedstat`, 'utf8').split(' ')
      return sum + Number(run) / 1_000
    } catch {
      // A thread that has just ended.
      return sum
    }
  }, 0)
}

function memoryOf(pid: number): number {
  const [, pages] = readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')
  return Number(pages) * 4_096
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo
      server.close(() => resolve(port))
    })
  })
}

async function until(port: number): Promise<void> {
  for (let attempt = 0; attempt < 100; attempt++) {
    const isOpen = await new Promise<boolean>((resolve) => {
      const socket = connect(port, '127.0.0.1')
      socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
      socket.once('connect', () => socket.destroy())
    })
    if (isOpen) return
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  throw new Error(`nothing listens on ${port}`)
}

function tryRun(command: string, args: readonly string[]): boolean {
  try {
    execFileSync(command, args, { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}
