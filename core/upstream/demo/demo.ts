import type { Readable } from 'node:stream'
import { demoSchema, type DemoOptions } from '../../dialects/demo-schema.ts'
import { CLIENT_DIALECTS } from '../../dialects/dialect.ts'
import { GatewayError } from '../../errors.ts'
import { parseDuration } from '../../kit/duration.ts'
import type { JsonObject } from '../../kit/json.ts'
import type { UpstreamConfig } from '../../config/model.ts'
import type { Attempt, Upstream, UpstreamAnswer, UpstreamRequest } from '../upstream.ts'
import {
  answer,
  type DemoAnswer,
  type DemoRequest,
  type DemoSetting,
  failure,
  toldToFail,
} from './answer.ts'
import { treat, type Treatment } from './control.ts'
import { DemoSource } from './demo-source.ts'

/** What a demo upstream needs from outside. */
export interface DemoContext {
  /** Milliseconds since 1970: the clock of `UpstreamRequest.deadline`. */
  readonly now: () => number
}

/** A body is collected up to this many bytes. */
const BODY_LIMIT = 64 * 1024 * 1024

/** An upstream inside the process that answers in any dialect: no key, no network, the same answer to the same question. */
export function createDemoUpstream(config: UpstreamConfig, { now }: DemoContext): Upstream {
  const options = readOptions(config.demo)
  const exact = config.models.map(({ pattern }) => pattern).filter((name) => !name.includes('*'))
  const setting: DemoSetting = { options, models: exact.length === 0 ? ['demo'] : exact, now }
  const { timeouts } = config
  let count = 0
  let underWay = 0
  let onIdle: (() => void) | undefined
  let isClosed = false

  const leave = () => {
    underWay--
    if (underWay === 0) onIdle?.()
  }

  function send(request: UpstreamRequest): Attempt {
    if (isClosed) {
      const error = new GatewayError('SHUTTING_DOWN', 'the upstream is being closed')
      return { answer: Promise.reject(error), abort: () => {} }
    }
    count++
    underWay++
    return new DemoAttempt(request as DemoRequest, treat(options, request.headers, count), {
      setting,
      firstByteMs: timeouts.firstByteMs,
      idleMs: timeouts.idleMs,
      totalMs: Math.min(timeouts.totalMs, request.deadline - now()),
      leave,
    })
  }

  return {
    name: config.name,
    dialects: CLIENT_DIALECTS,
    endpoints: ['demo:'],
    send,
    async close() {
      isClosed = true
      if (underWay > 0) await new Promise<void>((resolve) => (onIdle = resolve))
    },
  }
}

interface AttemptSetting {
  readonly setting: DemoSetting
  readonly firstByteMs: number
  readonly idleMs: number
  readonly totalMs: number
  /** Called once, when nothing of the attempt is left. */
  readonly leave: () => void
}

/** One request on its way to an answer: its body, then the delay, then the answer. */
class DemoAttempt implements Attempt {
  readonly answer: Promise<UpstreamAnswer>
  readonly #request: DemoRequest
  readonly #treatment: Treatment
  readonly #setting: AttemptSetting
  readonly #startedAt: number
  #resolve!: (answer: UpstreamAnswer) => void
  #reject!: (reason: Error) => void
  #timer: NodeJS.Timeout | undefined
  #stopReading: (() => void) | undefined
  #source: DemoSource | undefined
  #isSettled = false

  constructor(request: DemoRequest, treatment: Treatment, setting: AttemptSetting) {
    this.#request = request
    this.#treatment = treatment
    this.#setting = setting
    this.#startedAt = setting.setting.now()
    this.answer = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    const { body } = request
    if (body === undefined || Buffer.isBuffer(body)) this.#delay(body ?? EMPTY)
    else this.#collect(body)
  }

  abort(reason: Error): void {
    this.#fail(reason)
    this.#source?.abort(reason)
  }

  #collect(body: Readable): void {
    const parts: Buffer[] = []
    let size = 0
    const onData = (part: Buffer) => {
      size += part.length
      if (size > BODY_LIMIT) this.#fail(new GatewayError('BODY_TOO_LARGE', 'the body is too large'))
      else parts.push(part)
    }
    const onEnd = () => {
      this.#stopReading?.()
      this.#delay(Buffer.concat(parts, size))
    }
    const onClose = () => this.#fail(new GatewayError('CLIENT_CLOSED', 'the body was broken off'))
    this.#stopReading = () => {
      this.#stopReading = undefined
      body.off('data', onData).off('end', onEnd).off('close', onClose).off('error', onClose)
      // Whatever else happens to it is not ours any more; unheard, an error would end the process.
      body.on('error', () => {})
    }
    body.on('data', onData).on('end', onEnd).on('close', onClose).on('error', onClose)
  }

  #delay(body: Buffer): void {
    const { firstByteMs, totalMs } = this.#setting
    const { delayMs } = this.#treatment
    const limitMs = Math.min(firstByteMs, totalMs)
    if (delayMs === 0 && limitMs > 0) return this.#answer(body)
    const isLate = delayMs >= limitMs
    this.#timer = setTimeout(
      () => {
        if (!isLate) this.#answer(body)
        else this.#fail(new GatewayError('UPSTREAM_TIMEOUT', 'the upstream did not answer in time'))
      },
      Math.max(0, Math.min(delayMs, limitMs)),
    )
  }

  #answer(body: Buffer): void {
    try {
      this.#settle(this.#made(body))
    } catch (error) {
      this.#fail(error as Error)
    }
  }

  #made(body: Buffer): DemoAnswer {
    const { failStatus, retryAfterMs } = this.#treatment
    if (failStatus !== undefined) {
      return failure(this.#request, toldToFail(failStatus, retryAfterMs))
    }
    const encoding = this.#request.headers['content-encoding'] ?? 'identity'
    if (encoding !== 'identity' && this.#request.dialect !== 'http') {
      const detail = `the demo upstream reads no ${JSON.stringify(encoding)}`
      return failure(this.#request, new GatewayError('UNSUPPORTED_ENCODING', detail))
    }
    return answer(this.#request, body, this.#setting.setting)
  }

  #settle({ status, headers, body }: DemoAnswer): void {
    const head = { status, headers, endpoint: 0, key: undefined }
    if (Buffer.isBuffer(body)) {
      this.#release()
      this.#resolve({ ...head, body })
      return
    }
    if (this.#request.mustBuffer && headers['content-type'] === 'application/json') {
      const whole = Buffer.from([...body].join(''))
      this.#release()
      if (whole.length > this.#request.bufferUpTo) {
        this.#reject(new GatewayError('ANSWER_TOO_LARGE', 'the answer is too large'))
      } else this.#resolve({ ...head, body: whole })
      return
    }
    this.#isSettled = true
    const { idleMs, totalMs, setting, leave } = this.#setting
    const { chunkDelayMs, cutAfter } = this.#treatment
    const leftMs = totalMs - (setting.now() - this.#startedAt)
    const playing = { chunkDelayMs, cutAfter, idleMs, totalMs: leftMs, onEnd: leave }
    this.#source = new DemoSource(body, playing)
    this.#resolve({ ...head, body: this.#source })
  }

  #fail(reason: Error): void {
    if (this.#isSettled) return
    this.#release()
    this.#reject(reason)
  }

  /** Nothing of the attempt goes on after its answer. */
  #release(): void {
    this.#isSettled = true
    clearTimeout(this.#timer)
    this.#stopReading?.()
    this.#setting.leave()
  }
}

const EMPTY = Buffer.alloc(0)

/** Adds the defaults of the schema, and reads durations that are still text. */
function readOptions(given: JsonObject): DemoOptions {
  const { properties } = demoSchema
  const milliseconds = (value: unknown) => parseDuration(value as string | number)
  const { delay, chunkDelay, retryAfter, fail, allowControl, ...rest } = given
  const { status, every } = properties.fail.properties
  return {
    ...rest,
    delay: milliseconds(delay ?? properties.delay.default),
    chunkDelay: milliseconds(chunkDelay ?? properties.chunkDelay.default),
    allowControl: allowControl === true,
    ...(retryAfter === undefined ? {} : { retryAfter: milliseconds(retryAfter) }),
    ...(fail === undefined
      ? {}
      : { fail: { status: status.default, every: every.default, ...(fail as JsonObject) } }),
  }
}
