import { catalog as firstParty } from '#plugins/index.ts'
import type { PluginCatalog, PluginSource } from '../config/model.ts'
import { loadModule } from '../kernel/load-module.ts'
import type { Plugin } from '../sdk.ts'

/** The first-party plugins, and a way to those of others that a config names under `plugins`. */
export const catalog: PluginCatalog = { ...firstParty, loadFrom }

async function loadFrom({ name, from, trust, folder }: PluginSource): Promise<Plugin> {
  if (trust !== 'full') {
    throw new Error(
      `the sandbox for plugins of others is not there yet; plugins.${name}.trust: full runs it as part of the gateway`,
    )
  }
  const module = (await loadModule(from, folder)) as { readonly default?: Plugin }
  if (module.default === undefined) throw new Error(`${from} has no default export`)
  return module.default
}
