import type { StepConfig } from '../config/model.ts'
import { GatewayError, StepFailure } from '../errors.ts'
import type { Denial, RequestPatch, ResponsePatch } from '../exchange.ts'
import type { Hooks, Logger } from '../sdk.ts'
import type { LiveExchange } from './exchange.ts'

/** A step of a route, with its live hooks. */
export interface LiveStep {
  readonly config: StepConfig
  readonly hooks: Hooks
  readonly log: Logger
}

/** What a broken step comes to: nothing where it is open, an error where it is closed. */
export function stepFailed(step: LiveStep, exchange: LiveExchange, cause: unknown): void {
  if (cause instanceof GatewayError) throw cause
  const { id, onError, place } = step.config
  step.log.error('step failed', { id: exchange.id, step: id, place, onError, err: cause })
  if (onError === 'open') return
  if (cause instanceof StepFailure) {
    throw new GatewayError(cause.code, 'a script of the pipeline failed', { cause })
  }
  throw new GatewayError('PLUGIN_FAILED', 'a step of the pipeline failed', { cause })
}

/** Does what a `request` hook returned. True where it answered, so that nothing below runs. */
export function applyRequestPatch(exchange: LiveExchange, patch: RequestPatch): boolean {
  if (patch.deny) throw denied(patch.deny)
  const { req, res } = exchange
  if (patch.path !== undefined) req.path = patch.path
  if (patch.query) req.patchQuery(patch.query)
  if (patch.body !== undefined) req.body = patch.body
  if (patch.upstream !== undefined) exchange.chosen = patch.upstream
  if (patch.consumer) exchange.consumer = patch.consumer
  if (patch.vars) Object.assign(exchange.vars, patch.vars)
  if (patch.headers) {
    for (const name of Object.keys(patch.headers)) {
      const value = patch.headers[name]!
      if (value === null) delete req.headers[name.toLowerCase()]
      else req.headers[name.toLowerCase()] = value
    }
  }
  if (!patch.answer) return false
  const { status = 200, headers = {}, body } = patch.answer
  res.status = status
  if (body === undefined) res.bytes = Buffer.alloc(0)
  else res.body = body
  // After the body, which drops what described the one before it.
  for (const [name, value] of Object.entries(headers)) res.set(name, value)
  return true
}

/** Does what a `response` hook returned. */
export function applyResponsePatch(exchange: LiveExchange, patch: ResponsePatch): void {
  if (patch.deny) throw denied(patch.deny)
  const { res } = exchange
  if (patch.status !== undefined) res.status = patch.status
  if (patch.body !== undefined) res.body = patch.body
  if (patch.vars) Object.assign(exchange.vars, patch.vars)
  if (patch.headers) {
    for (const name of Object.keys(patch.headers)) {
      const value = patch.headers[name]!
      if (value === null) res.remove(name)
      else res.set(name, value)
    }
  }
}

/** A refusal that a hook returned, as the error that it is. */
export function denied({ code = 'DENIED', message, ...options }: Denial): GatewayError {
  return new GatewayError(code, message, options)
}
