import type { RouteConfig, StepConfig } from '../config/model.ts'
import type { Part } from '../expressions/expression.ts'
import type { Hooks } from '../sdk.ts'

/** What a route needs of the bodies, and why: known at load, so that nothing is read that nobody asked for. */
export interface Plan {
  /** Before which step the request body is read and parsed; the number of steps where only the routing rule reads it. */
  readonly bodyAt: number | undefined
  /** True where it is parsed then, and not only for who asks. */
  readonly parsesBody: boolean
  /** True where the answer is gathered before it goes on. Event streams stay streams. */
  readonly readsAnswer: boolean
  /** True where the request body is kept for another attempt. */
  readonly replays: boolean
  /** True where a step may ask for the token usage of a stream. */
  readonly readsUsage: boolean
  /** True where a step must know the tokens of every answer, so that a stream is asked for them. */
  readonly needsUsage: boolean
  /** In words, for `explain`: why a body is not simply piped. */
  readonly reasons: readonly string[]
}

/** One enabled step with the names of its hooks, or with its hooks. */
export interface PlannedStep {
  readonly config: StepConfig
  readonly hooks: { readonly [K in keyof Hooks]?: unknown }
}

/** Works out a route's plan from what its steps and expressions declare, and from whether an upstream goes by the model. */
export function planRoute(
  route: RouteConfig,
  steps: readonly PlannedStep[],
  goesByModel: boolean,
): Plan {
  const reasons: string[] = []
  const reader = steps.findIndex(({ config }) => reads(config, ...BODY, 'request.text'))
  let bodyAt: number | undefined
  if (reader !== -1) {
    bodyAt = reader
    reasons.push(`the request body is read as JSON: ${steps[reader]!.config.place} reads it`)
  } else if (route.upstream && overlap(route.upstream.reads, ...BODY)) {
    bodyAt = steps.length
    reasons.push('the request body is read as JSON: the routing rule reads it')
  } else if (goesByModel) {
    bodyAt = steps.length
    reasons.push('the request body is read as JSON: an upstream goes by the model')
  }

  const counter = steps.find(({ config }) => reads(config, 'usage'))
  if (counter !== undefined) {
    bodyAt ??= steps.length
    reasons.push(`streams are asked for their tokens: ${counter.config.place} needs them`)
  }

  const retrier = steps.find(({ config }) => config.plugin.attempts !== undefined)
  if (retrier)
    reasons.push(`the request body is kept whole: ${retrier.config.place} may send it again`)

  const answerReader = steps.find(
    ({ config, hooks }) => hooks.chunk || reads(config, 'response.body'),
  )
  if (answerReader) {
    reasons.push(`a plain answer is gathered whole: ${answerReader.config.place} reads it`)
  }
  return {
    bodyAt,
    parsesBody:
      goesByModel ||
      counter !== undefined ||
      (route.upstream !== undefined && overlap(route.upstream.reads, ...BODY)) ||
      steps.some(({ config }) => reads(config, ...BODY)),
    readsAnswer: answerReader !== undefined,
    replays: retrier !== undefined,
    needsUsage: counter !== undefined,
    readsUsage: steps.some(({ hooks }) => hooks.done || hooks.handle || hooks.chunk),
    reasons,
  }
}

/** Parts for which the request body is parsed. */
const BODY: readonly Part[] = ['request.body', 'request.model']

function reads(step: StepConfig, ...parts: readonly Part[]): boolean {
  return (
    overlap(step.reads, ...parts) || (step.when !== undefined && overlap(step.when.reads, ...parts))
  )
}

function overlap(read: ReadonlySet<Part>, ...parts: readonly Part[]): boolean {
  return parts.some((part) => read.has(part))
}
