import { type Fault, validate } from '../config/validate.ts'
import { pluginFaults } from '../config/plugin-check.ts'
import { Scripts } from '../config/scripts.ts'
import { compile } from '../expressions/compile.ts'
import type { Part } from '../expressions/expression.ts'
import type { Json } from '../kit/json.ts'
import { formatPosition } from '../config/problems.ts'
import { formatPath } from '../kit/paths.ts'
import type { Infer, OptionsSchema, Plugin } from '../sdk.ts'

/** Options that a plugin would not be started with, or a plugin that would not be loaded. */
export class OptionsError extends Error {
  override readonly name = 'OptionsError'
  /** `path: message` each, and the hint on a second line, as `sluice check` prints them. */
  readonly problems: readonly string[]

  constructor(problems: readonly string[]) {
    super(problems.join('\n'))
    this.problems = problems
  }
}

/** Options as `setup` gets them. */
export interface CheckedOptions<S extends OptionsSchema> {
  readonly options: Infer<S>
  readonly warnings: readonly string[]
  /** What the plugin and its expressions read. */
  readonly reads: ReadonlySet<Part>
  readonly writes: ReadonlySet<Part>
}

/** Checks options as the loader does: by schema, with expressions compiled, then by the plugin's own `check`. Throws an OptionsError. */
export function checkOptions<S extends OptionsSchema>(
  plugin: Plugin<S>,
  given: Json,
): CheckedOptions<S> {
  const broken = pluginFaults(plugin.name, plugin)
  if (broken.length > 0) throw new OptionsError(broken)
  const reads = new Set<Part>()
  const scripts = new Scripts(process.cwd())
  const { value, faults } = validate(plugin.schema, given, {
    compile(source, scope) {
      const { expression, problems = [] } = compile(source, { scope })
      expression?.reads.forEach((part) => reads.add(part))
      return { expression, faults: problems.map(faultOf) }
    },
    script: (text, kind, origin) =>
      kind === 'code' ? scripts.inline(text, origin) : scripts.file(text),
    origin: () => undefined,
  })
  refuse(faults)
  const options = value as Infer<S>
  const own: Fault[] = []
  const tell =
    (severity: Fault['severity']) =>
    (segments: readonly (string | number)[], message: string, hint?: string) =>
      void own.push({ severity, segments: [...segments], side: 'value', message, hint })
  plugin.check?.(options, { error: tell('error'), warning: tell('warning') })
  refuse(own)
  const declared = typeof plugin.reads === 'function' ? plugin.reads(options) : plugin.reads
  const writes = typeof plugin.writes === 'function' ? plugin.writes(options) : plugin.writes
  return {
    options,
    warnings: [...faults, ...own].map(print),
    reads: new Set([...reads, ...(declared ?? [])]),
    writes: new Set(writes),
  }
}

function faultOf(problem: {
  readonly path: readonly (string | number)[]
  readonly message: string
  readonly hint?: string | undefined
}): Fault {
  const { path, message, hint } = problem
  return { severity: 'error', side: 'value', segments: [...path], message, hint }
}

function refuse(faults: readonly Fault[]): void {
  const errors = faults.filter(({ severity }) => severity === 'error')
  if (errors.length > 0) throw new OptionsError(errors.map(print))
}

function print({ segments, message, hint, position }: Fault): string {
  const place = segments.length === 0 ? '' : `${formatPath(segments)}: `
  const inside = position === undefined ? '' : `${formatPosition(position)} `
  return inside + place + message + (hint === undefined ? '' : `\n  hint: ${hint}`)
}
