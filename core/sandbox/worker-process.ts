import { type ChildProcess, spawn } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { setPriority } from 'node:os'
import { dirname, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { FRAME, type Frame, FrameReader, FrameWriter } from './frames.ts'
import type { AnyProgram } from './program.ts'

const require = createRequire(import.meta.url)
const ENTRY = fileURLToPath(new URL('./worker.ts', import.meta.url))
/** As `nice` counts: about a tenth of what others get, where they compete. */
const LOW_PRIORITY = 10

/** What a worker tells. */
export interface WorkerListener {
  frame(worker: WorkerProcess, frame: Frame): void
  /** It has ended, for whatever reason; `said` is the end of what it wrote on stderr. */
  ended(worker: WorkerProcess, said: string): void
}

/** A process for scripts: started, spoken to, and killed. It does not keep the gateway alive. */
export class WorkerProcess {
  readonly pid: number | undefined
  readonly #child: ChildProcess
  readonly #writer: FrameWriter
  #said = ''
  #heard = 0
  #loading = 0
  #hasEnded = false
  readonly #ended = Promise.withResolvers<void>()

  constructor(listener: WorkerListener) {
    const child = spawn(process.execPath, [...nodeOptions(), ENTRY], {
      env: {},
      stdio: ['pipe', 'pipe', 'pipe'],
      // A Ctrl-C is the gateway's; a worker that it has ended would be replaced.
      detached: true,
    })
    this.#child = child
    this.pid = child.pid
    const { stdin, stdout, stderr } = child
    const reader = new FrameReader((frame) => {
      this.#heard++
      if (frame.kind === FRAME.loaded) this.#loading--
      listener.frame(this, frame)
    })
    stdout.on('data', (piece: Buffer) => reader.push(piece))
    stderr.on('data', (piece: Buffer) => {
      this.#said = (this.#said + piece.toString()).slice(-2_000)
    })
    stdin.on('error', () => undefined)
    const end = () => {
      if (this.#hasEnded) return
      this.#hasEnded = true
      this.#ended.resolve()
      listener.ended(this, this.#said)
    }
    child.on('error', (cause) => {
      this.#said = cause.message
      end()
    })
    // Not on exit: what it said last is read by then.
    child.on('close', end)
    this.#writer = new FrameWriter((bytes) => void stdin.write(bytes))
    child.unref()
    for (const stream of [stdin, stdout, stderr]) (stream as unknown as { unref(): void }).unref()
    void makeFirstVictim(child.pid)
  }

  /** How often it has said something. */
  get heard(): number {
    return this.#heard
  }

  /** True once it has loaded all that it was given. */
  get isReady(): boolean {
    return this.#loading === 0
  }

  /** Others come first, where there is not time enough for all. */
  yieldToOthers(): void {
    try {
      if (this.pid !== undefined) setPriority(this.pid, LOW_PRIORITY)
    } catch {
      // It has ended already, or may not: it runs like any other then.
    }
  }

  load(subject: number, program: AnyProgram): void {
    this.#loading++
    this.send(FRAME.load, 0, subject, JSON.stringify(program))
  }

  send(kind: number, id: number, subject: number, text: string): void {
    if (!this.#hasEnded) this.#writer.send(kind, id, subject, text)
  }

  /** Resolves when it has ended. */
  kill(): Promise<void> {
    this.#child.kill('SIGKILL')
    return this.#ended.promise
  }
}

/**
 * isolated-vm asks for `--no-node-snapshot`. The permissions are a second wall behind the isolates: nothing to write,
 * no processes, and of the files only the gateway's own code.
 */
function nodeOptions(): string[] {
  const addon = require.resolve('isolated-vm/package.json')
  const loader = createRequire(addon).resolve('node-gyp-build')
  const own = resolve(dirname(ENTRY), '../..')
  return [
    '--no-node-snapshot',
    '--disable-warning=ExperimentalWarning',
    '--disable-warning=SecurityWarning',
    '--permission',
    '--allow-addons',
    `--allow-fs-read=${own}`,
    `--allow-fs-read=${dirname(addon)}`,
    `--allow-fs-read=${dirname(loader)}`,
    // By which its loader knows which of its builds to take.
    '--allow-fs-read=/etc/alpine-release',
  ]
}

/** Where memory ends, Linux ends the process with the highest score: better this one than the gateway. */
async function makeFirstVictim(pid: number | undefined): Promise<void> {
  if (process.platform !== 'linux' || pid === undefined) return
  await writeFile(`/proc/${pid}/oom_score_adj`, '1000').catch(() => undefined)
}
