import { isObject, type JsonObject } from '../kit/json.ts'
import type { WrittenStep } from './expand.ts'
import type { ProblemList } from './problem-list.ts'
import type { CheckedStep, StepChecker } from './steps.ts'
import type { Segments } from './tree.ts'
import { unknownHint } from './wording.ts'

/** Lays a route's `override` over its steps: by id, or by the name of a plugin that has one step here. */
export function applyOverride(
  steps: readonly CheckedStep[],
  written: readonly WrittenStep[],
  override: JsonObject,
  at: Segments,
  route: string,
  checker: StepChecker,
  problems: ProblemList,
): readonly CheckedStep[] {
  const changed = new Map<string, CheckedStep>()
  for (const [name, over] of Object.entries(override)) {
    if (!isObject(over)) continue
    const place = [...at, name]
    if (Object.hasOwn(over, 'id')) {
      const message = 'an override cannot change the id of a step'
      problems.add([...place, 'id'], { message, side: 'key' })
    }
    const base = findStep(name, steps, written, place, problems)
    if (base === undefined) continue
    if (changed.has(base.config.place)) {
      const message = `${JSON.stringify(name)} names a step that this override changes already`
      problems.add(place, { message, side: 'key' })
    }
    changed.set(base.config.place, checker.override(base, over, place, route))
  }
  return steps.map((step) => changed.get(step.config.place) ?? step)
}

function findStep(
  name: string,
  steps: readonly CheckedStep[],
  written: readonly WrittenStep[],
  at: Segments,
  problems: ProblemList,
): CheckedStep | undefined {
  const byId = steps.filter(({ printed }) => printed['id'] === name)
  const found = byId.length > 0 ? byId : steps.filter(({ plugin }) => plugin.name === name)
  const places = new Set(found.map(({ config }) => config.place))
  if (places.size === 1) return found[0]
  if (places.size > 1) {
    const message = `${JSON.stringify(name)} names ${places.size} steps: ${[...places].join(', ')}`
    problems.add(at, {
      message,
      hint: 'give the one that is meant an id, and name that',
      side: 'key',
    })
    return undefined
  }
  // A step whose plugin is not known has its own problem.
  if (written.some(({ plugin }) => plugin === name)) return undefined
  const names = new Set(steps.flatMap(({ config, plugin }) => [config.id, plugin.name]))
  const message = `no step of this route is called ${JSON.stringify(name)}`
  problems.add(at, { message, hint: unknownHint(name, [...names]), side: 'key' })
  return undefined
}
