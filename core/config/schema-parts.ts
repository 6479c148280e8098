import type { Schema } from './schema.ts'

/** The name of something that the config defines. */
export const name = {
  type: 'string',
  pattern: '^[A-Za-z][\\w.-]{0,63}$',
  title: 'a name of letters, digits, _, . and -',
} as const

/** Text that isn't empty. */
export const text = { type: 'string', minLength: 1 } as const

/** A value, or a list of such values. */
export function oneOrMore<const S extends Schema>(one: S) {
  return { anyOf: [one, { type: 'array', items: one, minItems: 1 }] } as const
}

/** A list of steps. What a step may hold depends on its plugin, so the loader checks steps one by one. */
export const steps = {
  type: 'array',
  description: 'Steps in the order in which a request passes them.',
  items: {},
} as const
