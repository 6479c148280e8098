/**
 * The first file of a worker, and the only one of the gateway that a worker may read: the others come as text. It is
 * JavaScript, so that no worker has to load the compiler that takes types away.
 */
const { closeSync, readFileSync } = process.getBuiltinModule('node:fs')
const { registerHooks } = process.getBuiltinModule('node:module')
const CODE_FD = 3

const { entry, modules, packages } = JSON.parse(readFileSync(CODE_FD, 'utf8'))
closeSync(CODE_FD)

registerHooks({
  resolve(specifier, context, next) {
    const url = packages[specifier] ?? URL.parse(specifier, context.parentURL)?.href
    const isKnown = url in modules || specifier in packages
    return isKnown ? { url, shortCircuit: true } : next(specifier, context)
  },
  load(url, context, next) {
    if (!(url in modules)) return next(url, context)
    return { format: 'module', source: modules[url], shortCircuit: true }
  },
})

await import(entry)
