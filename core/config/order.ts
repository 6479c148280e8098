import type { Fact, Plugin } from '../sdk.ts'
import type { ProblemList } from './problem-list.ts'
import { formatPosition, type Position } from './problems.ts'
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
  const tell = (step: CheckedStep, message: string, hint: string, severity?: 'warning') =>
    problems.add(placeOf(step), { message, hint, side: 'key', ...(severity && { severity }) })
  for (const [index, step] of steps.entries()) {
    const above = steps.slice(0, index)
    const below = steps.slice(index + 1)
    checkNeeds(step, above, below, plugins, tell)
    checkReuse(step, below, tell)
    checkTraits(step, above, tell)
    checkRetries(step, above, tell)
    checkStage(step, above, tell)
  }
  checkEnd(steps, tell)
}

/** True where a step needs a fact that no step above it provides. */
export function lacksFacts(all: readonly CheckedStep[]): boolean {
  const provided = new Set<Fact>()
  return all.some(({ config, declared }) => {
    if (!config.isEnabled) return false
    if (declared.needs.some((fact) => !provided.has(fact))) return true
    for (const fact of declared.provides) provided.add(fact)
    return false
  })
}

/** Where a step stands, for problems and for `locate`. */
export function placeOf({ written, plugin }: CheckedStep): Segments {
  return [...written.segments, plugin.name]
}

type Tell = (step: CheckedStep, message: string, hint: string, severity?: 'warning') => void

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
    tell(step, message, late ? `put ${named(late)} above it` : providers(fact, plugins))
  }
}

function providers(fact: Fact, plugins: Iterable<Plugin>): string {
  const names = [...plugins]
    .filter(({ provides = [] }) => provides.includes(fact))
    .map(({ name }) => name)
  return names.length === 0 ? 'no known plugin provides it' : `put ${names.join(' or ')} above it`
}

/** What is stored before the caller is known is handed to every caller. */
function checkReuse(step: CheckedStep, below: readonly CheckedStep[], tell: Tell): void {
  if (step.plugin.stage !== 'reuse' || step.declared.isShared) return
  const late = below.find(({ declared }) => declared.provides.includes('consumer'))
  if (late === undefined) return
  const message = `${step.plugin.name} stands above ${named(late)}, so one consumer would get another's answers`
  tell(step, message, `put ${late.plugin.name} above it, or say shared: true where all may see all`)
}

function checkTraits(step: CheckedStep, above: readonly CheckedStep[], tell: Tell): void {
  const { name, traits = [] } = step.plugin
  const retry = above.find(({ declared }) => declared.attempts > 1)
  if (traits.includes('charges') && retry) {
    tell(
      step,
      `${name} stands below ${named(retry)}, so each attempt is charged again`,
      `put ${name} above ${retry.plugin.name}`,
    )
  }
  const reuse = above.find(({ plugin }) => plugin.stage === 'reuse')
  if (traits.includes('redacts') && reuse) {
    tell(
      step,
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
  tell(step, message, `${named(outer.at(-1)!)} tries again already`, 'warning')
}

function checkStage(step: CheckedStep, above: readonly CheckedStep[], tell: Tell): void {
  const rank = STAGES.indexOf(step.plugin.stage)
  const later = above.find(({ plugin }) => STAGES.indexOf(plugin.stage) > rank)
  if (later === undefined) return
  const { name, stage } = step.plugin
  const message = `${name} (${stage}) stands below ${named(later)} (${later.plugin.stage})`
  tell(step, message, `the usual order is ${STAGES.join(', ')}`, 'warning')
}

function checkEnd(steps: readonly CheckedStep[], tell: Tell): void {
  const end = steps.findIndex(({ config, declared }) => declared.ends && config.when === undefined)
  const next = steps[end + 1]
  if (end === -1 || next === undefined) return
  const message = `never reached: no request gets past ${named(steps[end]!)}`
  tell(next, message, `put it above ${steps[end]!.plugin.name}, or give that step a when`)
}

function named({ plugin, config }: CheckedStep): string {
  return `${plugin.name} (${formatPosition(config.position)})`
}

/**
 * Warns of steps that have nothing to do on any route that they serve: one for WebSocket messages on plain routes
 * only, say. A pipeline may be shared by both kinds.
 */
export class ProtocolCheck {
  readonly #steps = new Map<string, { step: CheckedStep; isOfUse: boolean; at: Position }>()

  add(step: CheckedStep, protocol: 'http' | 'websocket'): void {
    if (!step.config.isEnabled) return
    const { place, position } = step.config
    const isOfUse = step.declared.protocols.includes(protocol)
    const known = this.#steps.get(place)
    if (known === undefined) this.#steps.set(place, { step, isOfUse, at: position })
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
