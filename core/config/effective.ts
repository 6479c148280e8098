import type { JsonObject } from '../kit/json.ts'
import type { CheckedStep } from './steps.ts'

/** A route's steps as a config could list them: spliced, changed by `override`, defaults in. */
export function printSteps(steps: readonly CheckedStep[]): JsonObject[] {
  return steps.map(({ plugin, printed, config }) => ({
    [plugin.name]: { ...printed, onError: config.onError },
  }))
}

/** Turns what is printed into JSON. Secrets become `•••`; what is undefined is left out. */
export function toEffective(printed: object): JsonObject {
  return JSON.parse(JSON.stringify(printed)) as JsonObject
}
