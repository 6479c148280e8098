import { GatewayError } from '../../errors.ts'
import type { ByteSink, ByteSource } from '../../kit/byte-source.ts'

/** How a stream is played. */
export interface Playing {
  readonly chunkDelayMs: number
  /** Breaks off after so many pieces. */
  readonly cutAfter: number | undefined
  /** The longest silence, and the time left for all of it; UPSTREAM_TIMEOUT past either. */
  readonly idleMs: number
  readonly totalMs: number
  /** Called once, whatever the end. */
  onEnd(): void
}

/** So many pieces are sent in one go before others get a turn. */
const BURST = 64

/** Plays the pieces of an answer. One is made only when it can be sent, so a slow reader costs no memory. */
export class DemoSource implements ByteSource {
  readonly #pieces: Iterator<string>
  readonly #playing: Playing
  #sink: ByteSink | undefined
  #timer: NodeJS.Timeout | undefined
  #turn: NodeJS.Immediate | undefined
  #deadline: NodeJS.Timeout | undefined
  #played = 0
  #isPaused = false
  #isRunning = false
  #isOver = false
  #failure: Error | undefined

  constructor(pieces: Iterable<string>, playing: Playing) {
    this.#pieces = pieces[Symbol.iterator]()
    this.#playing = playing
    if (Number.isFinite(playing.totalMs)) {
      const late = () =>
        this.abort(new GatewayError('UPSTREAM_TIMEOUT', 'the answer took too long'))
      this.#deadline = setTimeout(late, Math.min(playing.totalMs, MAX_TIMER_MS))
    }
  }

  pipe(sink: ByteSink): void {
    this.#sink = sink
    if (this.#failure !== undefined) sink.error(this.#failure)
    else this.#run()
  }

  resume(): void {
    if (!this.#isPaused) return
    this.#isPaused = false
    this.#run()
  }

  abort(reason: Error): void {
    if (this.#isOver) return
    this.#finish()
    this.#failure = reason
    this.#sink?.error(reason)
  }

  #run(): void {
    // A sink may call resume from within data.
    if (this.#isRunning || this.#timer !== undefined || this.#turn !== undefined) return
    this.#isRunning = true
    const { chunkDelayMs, cutAfter } = this.#playing
    let burst = 0
    while (!this.#isOver && !this.#isPaused) {
      if (this.#played === cutAfter) {
        this.abort(new GatewayError('UPSTREAM_CUT', 'the demo was told to break off its answer'))
        break
      }
      if (chunkDelayMs > 0 && this.#played > 0 && burst > 0) {
        this.#wait(chunkDelayMs)
        break
      }
      if (burst === BURST) {
        this.#turn = setImmediate(() => {
          this.#turn = undefined
          this.#run()
        })
        break
      }
      this.#send()
      burst++
    }
    this.#isRunning = false
  }

  #send(): void {
    const { value, done } = this.#pieces.next()
    if (done === true) {
      this.#finish()
      this.#sink!.end()
      return
    }
    this.#played++
    // Set before: the sink may ask to go on while it is still being asked to take this.
    this.#isPaused = false
    if (!this.#sink!.data(Buffer.from(value))) this.#isPaused = true
  }

  #wait(chunkDelayMs: number): void {
    const { idleMs } = this.#playing
    const isTooLong = chunkDelayMs > idleMs
    this.#timer = setTimeout(
      () => {
        this.#timer = undefined
        if (isTooLong) this.abort(new GatewayError('UPSTREAM_TIMEOUT', 'the answer fell silent'))
        else this.#run()
      },
      Math.min(chunkDelayMs, idleMs),
    )
  }

  #finish(): void {
    this.#isOver = true
    clearTimeout(this.#timer)
    clearTimeout(this.#deadline)
    clearImmediate(this.#turn)
    this.#playing.onEnd()
  }
}

/** Node fires longer timers at once. */
const MAX_TIMER_MS = 2 ** 31 - 1
