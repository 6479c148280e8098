import { Scripts } from '#core/config/scripts.ts'
import { type Program, programOf, type ScriptLimits } from '#core/sandbox/program.ts'

/** Limits of a script under test: those of the plugin, unless told otherwise. */
export const LIMITS: ScriptLimits = {
  timeoutMs: 50,
  memoryBytes: 32 * 1024 ** 2,
  output: 1024 ** 2,
  lines: 20,
  lineLength: 1_000,
  writes: 16,
  valueLength: 65_536,
}

/** A program as the sandbox gets it, of a script that `sluice check` would accept. */
export function program(code: string, limits: Partial<ScriptLimits> = {}): Program {
  const { script, faults } = new Scripts('.').inline(code, undefined)
  if (script === undefined) throw new Error(faults[0]!.message)
  return programOf(script, { ...LIMITS, ...limits })
}

/** What a script is shown of a request. */
export function call(body: object = {}, more: object = {}): string {
  const req = { method: 'POST', path: '/', query: {}, headers: {}, params: {} }
  return `${JSON.stringify({ hook: 'request', req, vars: {}, ...more })}\n${JSON.stringify(body)}`
}
