import { afterAll } from 'vitest'

const TICK_MS = 5

/**
 * A clock of milliseconds as this process lives them: on a machine that is busy with other tests it stands still at
 * times, and nothing can be answered then. For promises of time. Of a whole file; call it outside of tests.
 */
export function livedTime(): () => number {
  let lived = 0
  const life = setInterval(() => (lived += TICK_MS), TICK_MS)
  afterAll(() => clearInterval(life))
  return () => lived
}
