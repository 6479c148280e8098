import { formatPosition } from '../config/problems.ts'
import { placeIn, type Script } from '../config/script.ts'
import { StepFailure } from '../errors.ts'
import { formatDuration } from '../kit/duration.ts'
import type { Json, JsonObject } from '../kit/json.ts'
import type { Logger, Metrics, OpenScript, Sandbox, ScriptResult, ScriptSettings } from '../sdk.ts'
import type { BreakerLimits } from './breaker.ts'
import { CellError } from './cell.ts'
import { Health, type SandboxListener } from './health.ts'
import { canRunInline, InlineScript } from './inline.ts'
import { loadIsolatedVm } from './isolated-vm.ts'
import { ScriptProcesses } from './processes.ts'
import type { OpenPlugin } from './foreign.ts'
import { headLength, type PluginProgram, type Program, programOf } from './program.ts'

/** Characters of one line of `log`, writes to the store in one call, and characters of one value there. */
const LINE_LENGTH = 1_000
const MAX_WRITES = 16
const VALUE_LENGTH = 65_536

/** A script or a sandboxed plugin as operators see it. */
export interface SandboxState {
  readonly step: string
  readonly sandbox: 'process' | 'inline'
  readonly isOff: boolean
  /** True where it has cost a process, and is run apart from others. */
  readonly isApart: boolean
  /** Failures in a row. */
  readonly failures: number
}

/** A sandbox that also takes plugins of others. */
export interface StepSandbox extends Sandbox {
  /** Compiles one and sets it up there. Rejects where that fails. */
  openPlugin(program: PluginProgram, breaker: BreakerLimits): Promise<OpenPlugin>
}

/** All scripts of a gateway. The processes begin with the first script and end with the last. */
export class Sandboxes {
  readonly #processes: ScriptProcesses
  readonly #open = new Set<{ readonly state: SandboxState; close(): void }>()

  constructor(log: Logger, metrics?: Metrics) {
    const name = 'sluice_script_workers_ended_total'
    const help = 'Processes of scripts that ended while they were needed, by why.'
    this.#processes = new ScriptProcesses(log, {
      onEnd: (reason) => metrics?.counter(name, help, ['reason']).add(1, { reason }),
    })
  }

  /** The sandbox of one step. */
  for(step: string, listener: SandboxListener): StepSandbox {
    return {
      openPlugin: async (program, breaker) => {
        loadIsolatedVm()
        const processes = this.#processes
        const subject = await processes.load(program)
        const health = new Health(breaker, listener, true)
        const live = {
          health,
          get state(): SandboxState {
            return { step, sandbox: 'process', ...health.state }
          },
          run: (text: string) => processes.run(subject, text),
          close: () => {
            this.#open.delete(live)
            processes.forget(subject)
          },
        }
        this.#open.add(live)
        return live
      },
      open: async (script, settings) => {
        const live = new LiveScript(step, script, settings, listener, this.#processes, () =>
          this.#open.delete(live),
        )
        await live.open()
        this.#open.add(live)
        return live
      },
    }
  }

  get pids(): readonly number[] {
    return this.#processes.pids
  }

  states(): readonly SandboxState[] {
    return [...this.#open].map(({ state }) => state)
  }

  async close(): Promise<void> {
    for (const one of this.#open) one.close()
    await this.#processes.close()
  }
}

/** Runs the texts of one script somewhere. */
interface Runner {
  run(text: string): string | Promise<string>
  close(): void
}

class LiveScript implements OpenScript {
  readonly #step: string
  readonly #script: Script
  readonly #settings: ScriptSettings
  readonly #processes: ScriptProcesses
  readonly #health: Health
  readonly #onClose: () => void
  #runner: Runner | undefined

  constructor(
    step: string,
    script: Script,
    settings: ScriptSettings,
    listener: SandboxListener,
    processes: ScriptProcesses,
    onClose: () => void,
  ) {
    this.#step = step
    this.#script = script
    this.#settings = settings
    this.#processes = processes
    this.#onClose = onClose
    this.#health = new Health(settings.breaker, listener)
  }

  get state(): SandboxState {
    return { step: this.#step, sandbox: this.#settings.sandbox, ...this.#health.state }
  }

  async open(): Promise<void> {
    const { sandbox, timeoutMs, memoryBytes, output, lines } = this.#settings
    const program = programOf(this.#script, {
      timeoutMs,
      memoryBytes,
      output,
      lines,
      lineLength: LINE_LENGTH,
      writes: MAX_WRITES,
      valueLength: VALUE_LENGTH,
    })
    this.#runner = sandbox === 'inline' ? await openInline(program) : await this.#inProcess(program)
  }

  async #inProcess(program: Program): Promise<Runner> {
    // Found wrong here, and not by a process that does not start.
    loadIsolatedVm()
    const processes = this.#processes
    const subject = await processes.load(program)
    return {
      run: (text) => processes.run(subject, text),
      close: () => processes.forget(subject),
    }
  }

  run(
    head: JsonObject,
    body?: string,
    answer?: string,
  ): ScriptResult | undefined | Promise<ScriptResult | undefined> {
    this.#health.admit()
    let result: string | Promise<string>
    try {
      result = this.#runner!.run(textOf(head, body, answer))
    } catch (cause) {
      throw this.#broken(cause)
    }
    if (typeof result === 'string') return this.#read(result)
    return result.then(
      (text) => this.#read(text),
      (cause: unknown) => {
        throw this.#broken(cause)
      },
    )
  }

  close(): void {
    this.#onClose()
    this.#runner?.close()
    this.#runner = undefined
  }

  #read(text: string): ScriptResult | undefined {
    if (text === '') return this.#succeeded()
    const end = text.indexOf('\n')
    const head = JSON.parse(end === -1 ? text : text.slice(0, end)) as JsonObject & Failed
    if (head.failed === undefined) {
      this.#succeeded()
      const body = end === -1 ? undefined : (JSON.parse(text.slice(end + 1)) as Json)
      return { head, body }
    }
    this.#health.threw()
    const { message, stack } = head.failed
    throw new StepFailure('SCRIPT_FAILED', `${this.#placeOf(stack)}: ${message}`)
  }

  #succeeded(): undefined {
    this.#health.succeeded()
  }

  #broken(cause: unknown): StepFailure {
    if (!(cause instanceof CellError)) return new StepFailure('SCRIPT_FAILED', String(cause))
    this.#health.broke(cause)
    const { kind, trace, message } = cause
    const isLate = kind === 'timeout' || kind === 'starved'
    const place = this.#placeOf(trace)
    if (!isLate) return new StepFailure('SCRIPT_FAILED', `${place}: ${message}`)
    const limit = formatDuration(this.#settings.timeoutMs)
    return new StepFailure('SCRIPT_TIMEOUT', `${place}: it took longer than ${limit}`)
  }

  /** The place of the innermost line of the script that V8 names. */
  #placeOf(trace: string): string {
    const { units } = this.#script
    const [, unit, line, column] = /\bunit(\d+):(\d+):(\d+)/.exec(trace) ?? []
    const found = units[Number(unit ?? units.length - 1)] ?? units.at(-1)!
    if (unit === undefined) return formatPosition(found.place)
    const before = line === '1' ? headLength(found) : 0
    return formatPosition(placeIn(found, Number(line), Math.max(1, Number(column) - before)))
  }
}

interface Failed {
  readonly failed?: { readonly message: string; readonly stack: string }
}

async function openInline(program: Program): Promise<Runner> {
  loadIsolatedVm()
  if (!canRunInline()) {
    throw new Error(
      'sandbox: inline needs a Node that was started with --no-node-snapshot; `sluice run` sees to it, but not in a reload: restart the gateway',
    )
  }
  const script = new InlineScript(program)
  await script.open()
  return script
}

/** A line each. JSON has line breaks only where it may have carriage returns as well. */
function textOf(head: JsonObject, body: string | undefined, answer: string | undefined): string {
  const text = JSON.stringify(head)
  if (body === undefined && answer === undefined) return text
  const first = body === undefined ? '' : inOneLine(body)
  return answer === undefined ? `${text}\n${first}` : `${text}\n${first}\n${inOneLine(answer)}`
}

function inOneLine(json: string): string {
  return json.includes('\n') ? json.replaceAll('\n', '\r') : json
}
