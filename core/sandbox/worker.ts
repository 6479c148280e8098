/**
 * The process that scripts run in. It has nothing but isolates: no environment, no network that it would use, no file
 * that it would write. It ends when its gateway does, and is ended by it when a script cannot be stopped
 * in another way.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { type CellCall, Cells, type Overdue } from './cells.ts'
import type { CellFailure } from './cell.ts'
import { encodeFrame, FRAME, type Frame, FrameReader, FrameWriter } from './frames.ts'
import type { AnyProgram } from './program.ts'
import { isolatesMeter } from './worked.ts'

// An `import` of it would make all that it exports, for each worker that starts.
const { writeSync } = process.getBuiltinModule('node:fs')

/** How often calls that run are looked at, and after how many quiet looks that ends. */
const SWEEP_MS = 5
const QUIET_SWEEPS = 200
/** Memory of the whole process beyond which the call that has run longest is taken to be at fault. Bytes. */
const MAX_RSS = 1024 ** 3
/**
 * How much a call may work on after its time until it counts as one that cannot be stopped, for each of the calls that
 * run. Milliseconds of CPU of all isolates: where the looks at it came on time, so that there are processors enough, and
 * where they did not.
 */
const GRACE_MS = 20
const BUSY_GRACE_MS = 200
/** So many looks in a row have to come on time. */
const CALM_LOOKS = 4
/** How long the loading of one program may hold up the next. Milliseconds. */
const TURN_MS = 100

const programs = new Map<number, { readonly cells: Cells; readonly ready: Promise<void> }>()
const writer = new FrameWriter((bytes) => void process.stdout.write(bytes))
/** When the next program may be loaded: all at once would take the processors from calls. */
let turn: Promise<unknown> = Promise.resolve()
let sweeping: NodeJS.Timeout | undefined
let sweptAt = 0
let quiet = 0
/** True once a call cannot be stopped: what is worked from then on may be its work, and nobody else is blamed for it. */
let hasLost = false

const reader = new FrameReader(take)
process.stdin.on('data', (piece: Buffer) => reader.push(piece))
process.stdin.on('end', () => process.kill(process.pid, 'SIGKILL'))
// The gateway is gone: there is nobody to tell.
process.stdout.on('error', () => process.kill(process.pid, 'SIGKILL'))

function take({ kind, id, subject, text }: Frame): void {
  switch (kind) {
    case FRAME.load:
      return load(subject, JSON.parse(text) as AnyProgram)
    case FRAME.call:
      return call(id, subject, text)
    case FRAME.forget:
      programs.get(subject)?.cells.close()
      programs.delete(subject)
  }
}

function load(subject: number, program: AnyProgram): void {
  const cells = new Cells(program, lost)
  const ready = turn.then(() => cells.open())
  turn = Promise.race([ready.catch(() => undefined), delay(TURN_MS)])
  programs.set(subject, { cells, ready })
  ready.then(
    () => writer.send(FRAME.loaded, 0, subject, ''),
    (cause: unknown) => writer.send(FRAME.loaded, 0, subject, (cause as Error).message),
  )
}

interface Call extends CellCall {
  readonly id: number
}

function call(id: number, subject: number, text: string): void {
  const one: Call = {
    id,
    text,
    done: (result) => writer.send(FRAME.result, id, subject, result),
    failed: (failure) => writer.send(FRAME.failed, id, subject, JSON.stringify(failure)),
  }
  const program = programs.get(subject)
  const unknown = () => one.failed({ kind: 'broken', message: 'it is not loaded', trace: '' })
  if (program === undefined) return unknown()
  program.ready.then(() => program.cells.run(one), unknown)
  quiet = 0
  sweeping ??= setInterval(sweep, SWEEP_MS)
}

function sweep(): void {
  const now = performance.now()
  const isOnTime = now - sweptAt < 2 * SWEEP_MS
  sweptAt = now
  const cpu = isolatesMeter.now()
  const running = [...programs.values()].reduce((sum, { cells }) => sum + cells.running, 0)
  const overdue = [...programs.values()].flatMap(
    ({ cells }) => cells.sweep(now, cpu, isOnTime) ?? [],
  )
  // One that was merely kept from a processor began after the one that kept it.
  const [longest] = overdue.toSorted((a, b) => a.until - b.until)
  const isAtFault = !hasLost && longest !== undefined && longest.worked > graceOf(longest) * running
  if (isAtFault) longest.lose()
  const isBusy = running > 0
  if (isBusy && process.memoryUsage.rss() > MAX_RSS) endForMemory()
  quiet = isBusy ? 0 : quiet + 1
  if (quiet < QUIET_SWEEPS) return
  clearInterval(sweeping)
  sweeping = undefined
}

/**
 * By what was worked, and not by the clock: a busy machine is nobody's fault here. Where others have most of it, much of
 * what is worked is that of other calls, or isolated-vm's own, which tries to stop one that has no turn to see it (its
 * run_with_timeout.h).
 */
function graceOf({ looks }: Overdue): number {
  return looks >= CALM_LOOKS ? GRACE_MS : BUSY_GRACE_MS
}

/** One of the isolates cannot be stopped: the gateway ends this process, once another can take over. */
function lost(one: CellCall | undefined): void {
  hasLost = true
  writer.send(FRAME.lost, idOf(one), 0, lossBy('timeout', 'it ran out of time'))
}

/** Ends the process, which takes too much to wait for another. Results that are ready go first. */
function endForMemory(): void {
  const running = [...programs.values()].flatMap(({ cells }) => cells.oldest ?? [])
  const [longest] = running.sort((a, b) => a.since - b.since)
  writer.flush()
  writeSync(
    1,
    encodeFrame(FRAME.lost, idOf(longest?.call), 0, lossBy('memory', 'it ran out of memory')),
  )
  process.kill(process.pid, 'SIGKILL')
}

function idOf(one: CellCall | undefined): number {
  return (one as Call | undefined)?.id ?? 0
}

function lossBy(kind: CellFailure['kind'], message: string): string {
  return JSON.stringify({ kind, message, trace: '', tookProcess: true } satisfies CellFailure)
}
