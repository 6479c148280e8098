import { catalog as firstParty } from '#plugins/index.ts'
import type { PluginCatalog, PluginSource } from '../config/model.ts'
import { loadModule, resolveModule } from '../kernel/load-module.ts'
import { sandboxedPlugin } from '../sandbox/foreign.ts'
import type { Plugin } from '../sdk.ts'

/** The first-party plugins, and a way to those of others that a config names under `plugins`. */
export const catalog: PluginCatalog = { ...firstParty, loadFrom }

async function loadFrom(source: PluginSource): Promise<Plugin> {
  const { from, trust, folder } = source
  if (trust !== 'full') return sandboxedPlugin(await resolveModule(from, folder), source)
  const module = (await loadModule(from, folder)) as { readonly default?: Plugin }
  if (module.default === undefined) throw new Error(`${from} has no default export`)
  return module.default
}
