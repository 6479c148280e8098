import type { StepConfig } from '../../config/model.ts'
import { type Schema, scopeOf } from '../../config/schema.ts'
import { GatewayError } from '../../errors.ts'
import type { RequestPatch } from '../../exchange.ts'
import type { Expression, Scope, Trace } from '../../expressions/expression.ts'
import type { LiveStep } from '../../kernel/step.ts'
import { isObject, type Json } from '../../kit/json.ts'
import { formatPath } from '../../kit/paths.ts'
import type { Hooks } from '../../sdk.ts'
import type { TracedExpression } from './explanation.ts'

/** A hook that waits for something that never comes is given up. Milliseconds. */
const HOOK_MS = 3_000

/** What was seen of one step while the chain ran. */
export interface StepRecord {
  readonly config: StepConfig
  readonly hooks: Hooks
  /** Why the step could not be set up here. */
  readonly setupError: string | undefined
  when?: TracedExpression
  expressions?: readonly TracedExpression[]
  patch?: RequestPatch
  notes?: readonly string[]
  wasReached: boolean
  failure?: unknown
}

/** Replaces a secret wherever it would be printed. */
export type Mask = (value: Json) => Json

/**
 * A step that runs its request hook only, and writes down what happens. Where the consumer is given, the steps that
 * would establish one are passed by.
 */
export function recordingStep(record: StepRecord, mask: Mask, isKnown: boolean): LiveStep {
  const { config, hooks } = record
  const isPassedBy = isKnown && config.plugin.provides?.includes('consumer') === true
  return {
    config: config.when === undefined ? config : { ...config, when: recordWhen(record, mask) },
    // A broken step is told of by the record.
    log: { debug: ignore, info: ignore, warn: ignore, error: ignore },
    hooks: {
      async request(exchange) {
        record.wasReached = true
        if (isPassedBy) {
          record.notes = ['passed by: the consumer is given']
          return undefined
        }
        record.expressions = expressionsOf(config, exchange, mask)
        try {
          // Before the step has changed anything of it.
          const notes = hooks.explain?.(exchange) ?? []
          if (notes.length > 0) record.notes = notes.map((note) => mask(note) as string)
          if (hooks.request === undefined) return undefined
          const patch = await within(HOOK_MS, hooks.request(exchange))
          if (patch) record.patch = patch
          return patch
        } catch (cause) {
          record.failure = cause
          // A refusal is a decision. All else is for lack of what the gateway would have, so the rest is told as well.
          if (cause instanceof GatewayError) throw cause
          return undefined
        }
      },
    },
  }
}

function ignore(): void {}

function recordWhen(record: StepRecord, mask: Mask): Expression {
  const { when } = record.config
  return recorded(when!, (scope) => {
    record.when = traced('when', when!, scope, mask)
  })
}

/** An expression that is watched: `onAsked` hears of the scope each time that it is evaluated. */
export function recorded(expression: Expression, onAsked: (scope: Scope) => void): Expression {
  return {
    source: expression.source,
    reads: expression.reads,
    isConstant: expression.isConstant,
    evaluate(scope) {
      onAsked(scope)
      return expression.evaluate(scope)
    },
    test(scope) {
      onAsked(scope)
      return expression.test(scope)
    },
    trace: (scope) => expression.trace(scope),
    results: () => expression.results(),
  }
}

/** Evaluates an expression with all its parts. Never throws. */
export function traced(
  path: string,
  expression: Expression,
  scope: Scope,
  mask: Mask,
): TracedExpression {
  try {
    return { path, trace: masked(expression.trace(scope), mask) }
  } catch (cause) {
    return { path, error: cause instanceof Error ? cause.message : String(cause) }
  }
}

function masked(trace: Trace, mask: Mask): Trace {
  const children = trace.children.map((child) => masked(child, mask))
  return { ...trace, value: mask(trace.value), children }
}

/** The expressions in a step's options. Those that look at the answer are listed without a value. */
function expressionsOf(config: StepConfig, scope: Scope, mask: Mask): TracedExpression[] {
  const found: TracedExpression[] = []
  walk(config.options, [], [config.plugin.schema], (path, expression, scopes) => {
    const isEarly = [...scopes].every((name) => name === 'match' || name === 'request')
    const place = formatPath(path)
    found.push(isEarly ? traced(place, expression, scope, mask) : { path: place })
  })
  return found
}

function walk(
  value: unknown,
  path: readonly (string | number)[],
  schemas: readonly Schema[],
  visit: (path: readonly (string | number)[], expression: Expression, scopes: Set<string>) => void,
  beside?: object,
): void {
  if (isExpression(value)) {
    const marked = branches(schemas).filter((schema) => schema['x-scope'] !== undefined)
    const scopes = marked.map((schema) => scopeOf(schema, beside))
    visit(path, value, new Set(scopes))
  } else if (Array.isArray(value)) {
    const items = branches(schemas).flatMap(({ items }) => items ?? [])
    for (const [index, item] of value.entries()) walk(item, [...path, index], items, visit)
  } else if (isObject(value)) {
    for (const [key, item] of Object.entries(value)) {
      walk(item, [...path, key], optionSchemas(schemas, key), visit, value)
    }
  }
}

function optionSchemas(schemas: readonly Schema[], key: string): Schema[] {
  return branches(schemas).flatMap(({ properties = {}, additionalProperties }) => {
    if (Object.hasOwn(properties, key)) return properties[key]!
    return typeof additionalProperties === 'object' ? additionalProperties : []
  })
}

function branches(schemas: readonly Schema[]): Schema[] {
  return schemas.flatMap((schema) => [schema, ...branches(schema.anyOf ?? [])])
}

function isExpression(value: unknown): value is Expression {
  return isObject(value) && typeof value['trace'] === 'function' && 'source' in value
}

async function within<T>(ms: number, work: T | Promise<T>): Promise<T> {
  if (!(work instanceof Promise)) return work
  const { promise, reject } = Promise.withResolvers<never>()
  const timer = setTimeout(() => reject(new Error(`it did not decide within ${ms} ms`)), ms)
  try {
    return await Promise.race([work, promise])
  } finally {
    clearTimeout(timer)
  }
}
