import type { PluginCatalog } from '#core/config/model.ts'
import type { Plugin } from '#core/sdk.ts'

/** The first-party plugins, each loaded when a config first uses it. */
const LOADERS: Readonly<Record<string, () => Promise<{ default: unknown }>>> = {
  auth: () => import('./auth/auth.ts'),
  filter: () => import('./filter/filter.ts'),
  koa: () => import('./koa/koa.ts'),
  logging: () => import('./logging/logging.ts'),
  rateLimiting: () => import('./rateLimiting/rateLimiting.ts'),
  retryPolicy: () => import('./retryPolicy/retryPolicy.ts'),
  script: () => import('./script/script.ts'),
  transformers: () => import('./transformers/transformers.ts'),
}

/** Finds first-party plugins by name. `load` throws a RangeError for a name that it does not list. */
export const catalog: PluginCatalog = {
  names: Object.keys(LOADERS),
  async load(name) {
    const load = Object.hasOwn(LOADERS, name) ? LOADERS[name] : undefined
    if (load === undefined) throw new RangeError(`there is no plugin ${JSON.stringify(name)}`)
    return (await load()).default as Plugin
  },
}
