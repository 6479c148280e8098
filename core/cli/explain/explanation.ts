import type { Trace } from '../../expressions/expression.ts'

/** Where an expression stands below its step or route, and what it came to, part by part. */
export interface TracedExpression {
  readonly path: string
  /** Absent where the expression looks at the answer, which is not there yet. */
  readonly trace?: Trace
  /** Why it could not be evaluated. */
  readonly error?: string
}

/** One route that was asked. */
export interface RouteAnswer {
  readonly id: string
  readonly position: string
  /** Why it does not match; absent for the one that does. */
  readonly mismatch?: string
  readonly when?: TracedExpression
}

/** What a step would do with the request. */
export type Decision =
  /** Its hook let the request on, perhaps changed. */
  | 'passes'
  | 'denies'
  | 'answers'
  /** It has no hook on the way in, or one that surrounds all that follows. */
  | 'wraps'
  | 'watches'
  /** Its `when` is false. */
  | 'skipped'
  | 'disabled'
  | 'not reached'
  /** It broke, or cannot be tried without the network. */
  | 'unknown'

/** One step of the route's pipeline. */
export interface StepAnswer {
  readonly plugin: string
  readonly id: string
  readonly stage: string
  /** `gateway.yaml:12:7`. */
  readonly position: string
  /** `pipelines.chat[1]`. */
  readonly place: string
  /** The pipelines whose `use` brought it here, outermost first. */
  readonly use: readonly string[]
  /** Where an override changed it. */
  readonly override?: string
  readonly hooks: readonly string[]
  readonly decision: Decision
  /** The refusal, the answer or the changes, in words. */
  readonly detail?: string
  /** What the step says of itself. */
  readonly notes?: readonly string[]
  readonly when?: TracedExpression
  /** The expressions in its options. */
  readonly expressions: readonly TracedExpression[]
}

/** Where the request would go. */
export interface UpstreamAnswer {
  readonly name: string
  /** Who chose it. */
  readonly by: 'rule' | 'step'
  readonly method: string
  /** One URL per endpoint; empty for an upstream inside the gateway. */
  readonly urls: readonly string[]
  /** The model that it is asked for: behind an alias, another than the client's. */
  readonly model?: string
  /** Set where it does not speak the client's dialect, so that the request is converted. */
  readonly converted?: {
    readonly from: string
    readonly to: string
    /** Fields of the request that it is not told, and that the gateway imitates. */
    readonly dropped: readonly string[]
    readonly emulated: readonly string[]
  }
}

/** All that is known of a request before it is sent. */
export interface Explanation {
  readonly request: {
    readonly method: string
    readonly path: string
    readonly query: string
    readonly host: string
    readonly protocol: string
    readonly dialect: string
    readonly model?: string
  }
  /** In the order in which they were asked; those after the match were not. */
  readonly routes: readonly RouteAnswer[]
  /** The id of the route that serves it. */
  readonly route?: string
  readonly steps: readonly StepAnswer[]
  readonly rule?: TracedExpression
  readonly upstream?: UpstreamAnswer
  /** What the client is told where no upstream is asked. */
  readonly refusal?: { readonly status: number; readonly code: string; readonly message: string }
  /** Why a body is not simply piped. */
  readonly buffers: readonly string[]
}
