import type { Plugin } from '../sdk.ts'
import type { WrittenStep } from './expand.ts'
import type { PluginCatalog, PluginSource } from './model.ts'
import { pluginFaults } from './plugin-check.ts'
import type { ProblemList } from './problem-list.ts'
import type { Segments } from './tree.ts'
import { unknownHint } from './wording.ts'

/**
 * Loads the plugins that steps use, and those that the config names itself. One that is unknown, fails to load or
 * breaks the contract is a problem and not among the result.
 */
export async function findPlugins(
  steps: readonly WrittenStep[],
  sources: ReadonlyMap<string, PluginSource>,
  catalog: PluginCatalog,
  problems: ProblemList,
): Promise<ReadonlyMap<string, Plugin>> {
  const own = new Set(catalog.names)
  const known = [...own, ...sources.keys()]
  const foreign = new Map(sources)
  for (const name of sources.keys()) {
    if (!own.has(name)) continue
    foreign.delete(name)
    const message = `${name} is a plugin of the gateway's own`
    problems.add(['plugins', name], { message, hint: 'give this one another name', side: 'key' })
  }
  /** Where to tell of a plugin: the first step that uses it, or where it is named. */
  const places = new Map<string, Segments>(
    [...foreign.keys()].map((name) => [name, ['plugins', name]]),
  )
  for (const { plugin, segments } of steps) {
    const at = [...segments, plugin]
    if (!own.has(plugin) && !foreign.has(plugin)) {
      problems.add(at, { message: 'unknown plugin', hint: unknownHint(plugin, known), side: 'key' })
    } else if (!places.has(plugin)) places.set(plugin, at)
  }
  const loaded = await Promise.all(
    [...places].map(async ([name, at]) => loadOne(name, at, foreign.get(name), catalog, problems)),
  )
  return new Map(loaded.flatMap((plugin) => (plugin ? [[plugin.name, plugin]] : [])))
}

/** Every plugin of the gateway's own that can be loaded: for hints about those that a config does not use. */
export async function allPlugins(catalog: PluginCatalog): Promise<readonly Plugin[]> {
  const settled = await Promise.allSettled(catalog.names.map(async (name) => catalog.load(name)))
  return settled.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []))
}

async function loadOne(
  name: string,
  at: Segments,
  source: PluginSource | undefined,
  catalog: PluginCatalog,
  problems: ProblemList,
): Promise<Plugin | undefined> {
  try {
    const plugin = await (source ? loadForeign(source, catalog) : catalog.load(name))
    const faults = pluginFaults(name, plugin)
    for (const fault of faults) problems.add(at, { message: `the plugin ${name} ${fault}` })
    return faults.length === 0 ? plugin : undefined
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    problems.add(at, { message: `the plugin ${name} cannot be loaded: ${reason}` })
    return undefined
  }
}

async function loadForeign(source: PluginSource, catalog: PluginCatalog): Promise<Plugin> {
  if (catalog.loadFrom) return catalog.loadFrom(source)
  throw new Error('plugins of others are not loaded here')
}
