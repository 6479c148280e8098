/** Where in a pipeline a plugin belongs. `check` warns of a step that stands below a later stage. */
export const STAGES = [
  'observe',
  'identify',
  'admit',
  'shape',
  'reuse',
  'schedule',
  'deliver',
] as const

/** One of the stages. */
export type Stage = (typeof STAGES)[number]
