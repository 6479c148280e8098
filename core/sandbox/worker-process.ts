import { type ChildProcess, spawn } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import type { Socket } from 'node:net'
import { setPriority } from 'node:os'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { FRAME, type Frame, FrameReader, FrameWriter } from './frames.ts'
import type { PendingCall } from './pending-calls.ts'
import type { Subject } from './subject.ts'
import { workerCode } from './worker-code.ts'

/** The first file of a worker, and where it finds the others. */
const BOOT = fileURLToPath(new URL('./boot.js', import.meta.url))
const CODE_FD = 3
/** How long a process may take to start before it counts as silent. Milliseconds. */
const START_MS = 15_000

/** As `nice` counts: about a tenth of what others get, where they compete. */
export const LOW_PRIORITY = 10
const GROUP_RETRY_MS = 150

/** Why a worker ended, as metrics have it. `ended`: by itself, or by somebody else. */
export type WorkerEnd = 'timeout' | 'memory' | 'silent' | 'ended'

/** What a worker tells. */
export interface WorkerListener {
  frame(worker: WorkerProcess, frame: Frame): void
  /** It has ended, for whatever reason; `said` is the end of what it wrote on stderr. */
  ended(worker: WorkerProcess, said: string): void
}

/** A process for scripts: started, spoken to, and killed. It does not keep the gateway alive. */
export class WorkerProcess {
  readonly pid: number | undefined
  /** Why it is to end, or does. */
  failure: { readonly kind: WorkerEnd; readonly message: string } | undefined
  readonly #child: ChildProcess
  readonly #writer: FrameWriter
  #said = ''
  #heard = 0
  /** Subjects that it was given, and whether it has loaded them. */
  readonly #given = new Map<number, boolean>()
  #loading = 0
  #groupPriority = 0
  #hasEnded = false
  readonly #startedAt = performance.now()
  readonly #ended = Promise.withResolvers<void>()

  constructor(listener: WorkerListener) {
    const { text, folders } = workerCode()
    const child = spawn(process.execPath, [...nodeOptions(folders), BOOT], {
      env: {},
      stdio: ['pipe', 'pipe', 'pipe', 'pipe'],
      // A Ctrl-C is the gateway's; a worker that it has ended would be replaced.
      detached: true,
    })
    this.#child = child
    this.pid = child.pid
    const { stdin, stdout, stderr } = child
    const reader = new FrameReader((frame) => {
      this.#heard++
      if (frame.kind === FRAME.loaded) this.#loaded(frame)
      listener.frame(this, frame)
    })
    stdout.on('data', (piece: Buffer) => reader.push(piece))
    stderr.on('data', (piece: Buffer) => {
      this.#said = (this.#said + piece.toString()).slice(-2_000)
    })
    const code = child.stdio[CODE_FD] as Socket
    for (const stream of [stdin, code]) stream.on('error', () => undefined)
    code.end(text)
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
    // It keeps nobody alive who has nothing else to do, until its end is waited for.
    for (const handle of this.#handles()) handle.unref()
    void makeFirstVictim(child.pid)
  }

  /** How often it has said something. */
  get heard(): number {
    return this.#heard
  }

  /** True until it has said its first word, for which a busy machine may take a while. */
  get isStarting(): boolean {
    return this.#heard === 0 && performance.now() - this.#startedAt < START_MS
  }

  /** True once it has loaded all that it was given. */
  get isReady(): boolean {
    return this.#loading === 0
  }

  /** True once it has loaded this one. */
  has(subject: Subject): boolean {
    return this.#given.get(subject.id) === true
  }

  load(subject: Subject): void {
    if (this.#given.has(subject.id)) return
    this.#given.set(subject.id, false)
    this.#loading++
    this.#send(FRAME.load, 0, subject.id, JSON.stringify(subject.program))
  }

  /** What could not be loaded is given to it again when it is needed. */
  #loaded({ subject, text }: Frame): void {
    if (text !== '') this.#given.delete(subject)
    else if (this.#given.has(subject)) this.#given.set(subject, true)
    this.#loading--
  }

  forget(subject: Subject): void {
    if (this.#given.delete(subject.id)) this.#send(FRAME.forget, 0, subject.id, '')
  }

  run({ id, subject, text }: PendingCall): void {
    this.load(subject)
    this.#send(FRAME.call, id, subject.id, text)
  }

  /** Others come first, where there is not time enough for all. */
  yieldForGood(): void {
    this.yieldAWhile()
    try {
      if (this.pid !== undefined) setPriority(this.pid, LOW_PRIORITY)
    } catch {
      // It has ended already, or may not: it runs like any other then.
    }
  }

  /** The same until it has to hurry, as far as that can be taken back without special rights. */
  yieldAWhile(): void {
    void this.#setGroupPriority(LOW_PRIORITY)
  }

  hurry(): void {
    void this.#setGroupPriority(0)
  }

  /**
   * Outside of containers, Linux shares the processors out by session first, and `nice` counts within one only
   * (sched(7), "The autogroup feature"). A worker is a session of its own.
   */
  async #setGroupPriority(nice: number): Promise<void> {
    if (process.platform !== 'linux' || this.pid === undefined) return
    this.#groupPriority = nice
    const isWanted = () => this.#groupPriority === nice && !this.#hasEnded
    while (isWanted()) {
      try {
        return await writeFile(`/proc/${this.pid}/autogroup`, String(nice))
      } catch (cause) {
        if ((cause as NodeJS.ErrnoException).code !== 'EAGAIN') return
      }
      // Linux takes ten of these in a second, from all who have no rights.
      await delay(GROUP_RETRY_MS, undefined, { ref: false })
    }
  }

  #send(kind: number, id: number, subject: number, text: string): void {
    if (!this.#hasEnded) this.#writer.send(kind, id, subject, text)
  }

  #handles(): readonly { ref(): void; unref(): void }[] {
    return [this.#child, ...(this.#child.stdio as unknown[] as Socket[])]
  }

  /** Resolves when it has ended. */
  kill(): Promise<void> {
    if (!this.#hasEnded) for (const handle of this.#handles()) handle.ref()
    this.#child.kill('SIGKILL')
    return this.#ended.promise
  }
}

/**
 * isolated-vm asks for `--no-node-snapshot`. The permissions are a second wall behind the isolates: nothing to write,
 * no processes, and of the files only isolated-vm and what loads it.
 */
function nodeOptions(folders: readonly string[]): string[] {
  return [
    '--no-node-snapshot',
    // Isolates are small: what helpers would save one of them, they take from all others.
    '--single-threaded-gc',
    '--disable-warning=ExperimentalWarning',
    '--disable-warning=SecurityWarning',
    '--permission',
    '--allow-addons',
    ...[BOOT, ...folders].map((path) => `--allow-fs-read=${path}`),
    // By which its loader knows which of its builds to take.
    '--allow-fs-read=/etc/alpine-release',
  ]
}

/** Where memory ends, Linux ends the process with the highest score: better this one than the gateway. */
async function makeFirstVictim(pid: number | undefined): Promise<void> {
  if (process.platform !== 'linux' || pid === undefined) return
  await writeFile(`/proc/${pid}/oom_score_adj`, '1000').catch(() => undefined)
}
