import type { Fact, Plugin } from '../sdk.ts'
import type { ProblemList } from './problem-list.ts'
import { formatPosition } from './problems.ts'
import { STAGES } from './stages.ts'
import type { CheckedStep } from './steps.ts'
import type { Segments } from './tree.ts'

/**
 * Checks the order of one route's steps by what their plugins declare. Steps that are not enabled neither provide
 * nor need. The loader never reorders: it says what is wrong with the order that was written.
 */
export function checkOrder(
  all: readonly CheckedStep[],
  problems: ProblemList,
  plugins: Iterable<Plugin>,
): void {
  const steps = all.filter(({ config }) => config.isEnabled)
  /** Steps that an error speaks of: that they stand in the wrong stage too is no news. */
  const told = new Set<CheckedStep>()
  const tell: Tell = (step, other, message, hint, severity = 'error') => {
    if (severity === 'error') told.add(step).add(other ?? step)
    problems.add(placeOf(step), { message, hint, side: 'key', severity })
  }
  for (const [index, step] of steps.entries()) {
    const above = steps.slice(0, index)
    const below = steps.slice(index + 1)
    checkNeeds(step, above, below, plugins, tell)
    checkWishes(step, above, below, plugins, problems)
    checkReuse(step, below, tell)
    checkTraits(step, above, tell)
    checkRetries(step, above, tell)
  }
  checkEnd(steps, tell)
  checkStages(
    steps.filter((step) => !told.has(step)),
    tell,
  )
}

/** True where a step needs, or wishes for, a fact that no step above it provides. */
export function lacksFacts(all: readonly CheckedStep[]): boolean {
  const provided = new Set<Fact>()
  return all.some(({ config, declared }) => {
    if (!config.isEnabled) return false
    const facts = [...declared.needs, ...declared.wishes.map(({ fact }) => fact)]
    if (facts.some((fact) => !provided.has(fact))) return true
    for (const fact of declared.provides) provided.add(fact)
    return false
  })
}

/** Where a step stands, for problems and for `locate`. */
export function placeOf({ written, plugin }: CheckedStep): Segments {
  return [...written.segments, plugin.name]
}

/** Tells of a step, and of the other one that it does not go with. */
type Tell = (
  step: CheckedStep,
  other: CheckedStep | undefined,
  message: string,
  hint: string,
  severity?: 'error' | 'warning',
) => void

function checkNeeds(
  step: CheckedStep,
  above: readonly CheckedStep[],
  below: readonly CheckedStep[],
  plugins: Iterable<Plugin>,
  tell: Tell,
): void {
  for (const fact of step.declared.needs) {
    if (above.some(({ declared }) => declared.provides.includes(fact))) continue
    const late = below.find(({ declared }) => declared.provides.includes(fact))
    const message = `${step.plugin.name} needs the fact "${fact}", which no earlier step provides`
    tell(step, late, message, late ? `put ${named(late)} above it` : providers(fact, plugins))
  }
}

function checkWishes(
  step: CheckedStep,
  above: readonly CheckedStep[],
  below: readonly CheckedStep[],
  plugins: Iterable<Plugin>,
  problems: ProblemList,
): void {
  for (const { fact, path, without } of step.declared.wishes) {
    if (above.some(({ declared }) => declared.provides.includes(fact))) continue
    const late = below.find(({ declared }) => declared.provides.includes(fact))
    problems.add([...placeOf(step), ...path], {
      message: `no earlier step provides the fact "${fact}", so ${without}`,
      hint: late ? `put ${named(late)} above it` : providers(fact, plugins),
      side: 'key',
      severity: 'warning',
    })
  }
}

function providers(fact: Fact, plugins: Iterable<Plugin>): string {
  const names = new Set<string>()
  for (const { name, provides } of plugins) if (provides?.includes(fact)) names.add(name)
  return names.size === 0
    ? 'no known plugin provides it'
    : `put ${[...names].join(' or ')} above it`
}

/** What is stored before the caller is known is handed to every caller. */
function checkReuse(step: CheckedStep, below: readonly CheckedStep[], tell: Tell): void {
  if (step.plugin.stage !== 'reuse' || step.declared.isShared) return
  const late = below.find(({ declared }) => declared.provides.includes('consumer'))
  if (late === undefined) return
  const message = `${step.plugin.name} stands above ${named(late)}, so one consumer would get another's answers`
  tell(
    step,
    late,
    message,
    `put ${late.plugin.name} above it, or say shared: true where all may see all`,
  )
}

function checkTraits(step: CheckedStep, above: readonly CheckedStep[], tell: Tell): void {
  const { name, traits = [] } = step.plugin
  const retry = above.find(({ declared }) => declared.attempts > 1)
  if (traits.includes('charges') && retry) {
    tell(
      step,
      retry,
      `${name} stands below ${named(retry)}, so each attempt is charged again`,
      `put ${name} above ${retry.plugin.name}`,
    )
  }
  const reuse = above.find(({ plugin }) => plugin.stage === 'reuse')
  if (traits.includes('redacts') && reuse) {
    tell(
      step,
      reuse,
      `${name} stands below ${named(reuse)}, which then stores what should be hidden`,
      `put ${name} above ${reuse.plugin.name}`,
    )
  }
}

function checkRetries(step: CheckedStep, above: readonly CheckedStep[], tell: Tell): void {
  if (step.declared.attempts <= 1) return
  const outer = above.filter(({ declared }) => declared.attempts > 1)
  if (outer.length === 0) return
  const factors = [...outer, step].map(({ declared }) => declared.attempts)
  const product = factors.reduce((a, b) => a * b)
  const message = `retries inside retries: up to ${factors.join(' × ')} = ${product} attempts for one request`
  tell(step, outer.at(-1), message, `${named(outer.at(-1)!)} tries again already`, 'warning')
}

/** A warning only: there are reasons to stand elsewhere, and the order that is written is kept. */
function checkStages(steps: readonly CheckedStep[], tell: Tell): void {
  let latest: CheckedStep | undefined
  for (const step of steps) {
    if (latest !== undefined && rankOf(step) < rankOf(latest)) {
      const at = formatPosition(latest.config.position)
      const later = `${latest.plugin.name} (${latest.plugin.stage}, ${at})`
      const message = `${step.plugin.name} (${step.plugin.stage}) stands below ${later}`
      tell(step, latest, message, `the usual order is ${STAGES.join(', ')}`, 'warning')
    } else if (!step.declared.isShared) latest = step
  }
}

function rankOf({ plugin }: CheckedStep): number {
  return STAGES.indexOf(plugin.stage)
}

function checkEnd(steps: readonly CheckedStep[], tell: Tell): void {
  const end = steps.findIndex(({ config, declared }) => declared.ends && config.when === undefined)
  const next = steps[end + 1]
  if (end === -1 || next === undefined) return
  const message = `never reached: no request gets past ${named(steps[end]!)}`
  tell(
    next,
    steps[end],
    message,
    `put it above ${steps[end]!.plugin.name}, or give that step a when`,
  )
}

function named({ plugin, config }: CheckedStep): string {
  return `${plugin.name} (${formatPosition(config.position)})`
}

/**
 * Warns of steps that have nothing to do on any route that they serve: one for WebSocket messages on plain routes
 * only, say. A pipeline may be shared by both kinds.
 */
export class ProtocolCheck {
  readonly #steps = new Map<string, { readonly step: CheckedStep; isOfUse: boolean }>()

  add(step: CheckedStep, protocol: 'http' | 'websocket'): void {
    const { place, isEnabled } = step.config
    if (!isEnabled) return
    const isOfUse = step.declared.protocols.includes(protocol)
    const known = this.#steps.get(place)
    if (known === undefined) this.#steps.set(place, { step, isOfUse })
    else known.isOfUse ||= isOfUse
  }

  tell(problems: ProblemList): void {
    for (const { step, isOfUse } of this.#steps.values()) {
      if (isOfUse) continue
      const [protocol = 'no'] = step.declared.protocols
      const message = `${step.plugin.name} works on ${protocol} routes only, and serves none`
      const hint = `give a route match: { protocol: ${protocol} }, or leave the step out`
      problems.add(placeOf(step), { message, hint, side: 'key', severity: 'warning' })
    }
  }
}
