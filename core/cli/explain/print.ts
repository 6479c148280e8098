import type { Trace } from '../../expressions/expression.ts'
import { formatPath } from '../../kit/paths.ts'
import type {
  Explanation,
  RouteAnswer,
  StepAnswer,
  TracedExpression,
  UpstreamAnswer,
} from './explanation.ts'

/** Longest value or sub-expression that is printed whole. Characters. */
const MAX_SHOWN = 100

/** An explanation as a person reads it, top down as the request goes. */
export function printExplanation(explanation: Explanation): string {
  const { request, routes, steps, buffers } = explanation
  const { method, path, query, host, protocol, dialect, model } = request
  const target = query === '' ? path : `${path}?${query}`
  const spoken = model === undefined ? dialect : `${dialect}, model ${model}`
  const lines = [
    `${method} ${target} (${spoken}${protocol === 'http' ? '' : `, ${protocol}`}${host === '' ? '' : `, host ${host}`})`,
    '',
    'routes',
    ...routes.flatMap(routeLines),
    ...(routes.length === 0 ? ['  none was asked'] : []),
  ]
  if (explanation.route !== undefined) {
    lines.push('', 'steps', ...steps.flatMap(stepLines))
    if (steps.length === 0) lines.push('  none')
  }
  lines.push('', 'upstream', ...upstreamLines(explanation))
  if (explanation.route !== undefined) {
    const piped = 'bodies are piped as they come, both ways'
    lines.push('', 'bodies', ...(buffers.length > 0 ? buffers : [piped]).map((line) => `  ${line}`))
  }
  return `${lines.join('\n')}\n`
}

function routeLines({ id, position, mismatch, when }: RouteAnswer): string[] {
  const mark = mismatch === undefined ? '✓' : '✗'
  const why = mismatch === undefined ? 'matches' : mismatch
  return [`  ${mark} ${id}  ${position}  ${why}`, ...expressionLines(when, '      ')]
}

const MARKS: Readonly<Record<StepAnswer['decision'], string>> = {
  passes: '✓',
  denies: '✗',
  answers: '●',
  wraps: '✓',
  watches: '✓',
  skipped: '-',
  disabled: '-',
  'not reached': '·',
  unknown: '?',
}

function stepLines(step: StepAnswer): string[] {
  const { plugin, id, position, place, use, override, hooks, decision, detail, notes = [] } = step
  const name = id === plugin ? plugin : `${plugin} (${id})`
  const via = use.length === 0 ? '' : ` via use: ${use.join(' > ')}`
  const changed = override === undefined ? '' : `, overridden at ${override}`
  const said = detail === undefined ? decision : `${decision}: ${detail}`
  const hooked = hooks.length === 0 ? '' : ` [${hooks.join(' ')}]`
  return [
    `  ${MARKS[decision]} ${name}  ${position} ${place}${via}${changed}`,
    `      ${said}${hooked}`,
    ...notes.map((note) => `      ${note}`),
    ...expressionLines(step.when, '      '),
    ...step.expressions.flatMap((expression) => expressionLines(expression, '      ')),
  ]
}

function upstreamLines({ request, upstream, rule, refusal }: Explanation): string[] {
  const lines: string[] = []
  if (upstream !== undefined) {
    const { name, by, method, urls, model } = upstream
    const chosen = by === 'rule' ? '' : ', chosen by a step'
    const asked = model === undefined || model === request.model ? '' : `, as model ${model}`
    const places = urls.map((url) => `${method} ${url}`)
    if (urls.length === 0) places.push('answers inside the gateway')
    lines.push(...places.map((place) => `  ${name}  ${place}${asked}${chosen}`))
    lines.push(...conversionLines(upstream))
  } else lines.push('  none is asked')
  if (typeof rule?.trace?.source !== 'string') lines.push(...expressionLines(rule, '      '))
  if (refusal) lines.push(`  the client gets ${refusal.status} ${refusal.code}: ${refusal.message}`)
  return lines
}

function conversionLines({ converted }: UpstreamAnswer): string[] {
  if (converted === undefined) return []
  const { from, to, dropped, emulated } = converted
  return [
    `      converted from ${from} to ${to}`,
    ...(dropped.length === 0 ? [] : [`      dropped: ${dropped.join(', ')}`]),
    ...(emulated.length === 0 ? [] : [`      emulated: ${emulated.join(', ')}`]),
  ]
}

function expressionLines(expression: TracedExpression | undefined, indent: string): string[] {
  if (expression === undefined) return []
  const { path, trace, error } = expression
  if (error !== undefined) return [`${indent}${path}: fails: ${error}`]
  if (trace === undefined) return [`${indent}${path}: looks at the answer`]
  return [
    `${indent}${path}: ${shown(trace.source)} → ${shown(trace.value)}`,
    ...trace.children.flatMap((child) => traceLines(child, trace, `${indent}  `)),
  ]
}

function traceLines(trace: Trace, parent: Trace, indent: string): string[] {
  const isDefined = trace.define !== undefined && trace.define !== parent.define
  const name = isDefined ? `define ${trace.define}${below(trace)}: ` : ''
  return [
    `${indent}${name}${shown(trace.source)} → ${shown(trace.value)}`,
    ...trace.children.flatMap((child) => traceLines(child, trace, `${indent}  `)),
  ]
}

function below({ path }: Trace): string {
  return path.length === 0 ? '' : ` ${formatPath(path)}`
}

function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? 'null'
  return text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN - 1)}…` : text
}
