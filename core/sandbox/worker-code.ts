import { createRequire } from 'node:module'
import { dirname } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { readModules } from './modules.ts'

const require = createRequire(import.meta.url)
const ENTRY = fileURLToPath(new URL('./worker.ts', import.meta.url))

/** What a worker runs. */
export interface WorkerCode {
  /** As its `boot.js` takes it. */
  readonly text: string
  /** Folders of the packages that it loads. */
  readonly folders: readonly string[]
}

let code: WorkerCode | undefined

/**
 * The modules of a worker, as text. In a checkout, Node would load the compiler that takes types out of sources anew in
 * each process, which doubles what its start costs; here it is done once for all of them.
 */
export function workerCode(): WorkerCode {
  code ??= readCode()
  return code
}

function readCode(): WorkerCode {
  const { entry, files } = readModules(ENTRY)
  const modules: Record<string, string> = {}
  for (const [path, text] of Object.entries(files)) modules[urlOf(path)] = text
  const addon = require.resolve('isolated-vm/package.json')
  const { resolve } = createRequire(addon)
  // Where a package manager links packages, permissions count for what the links lead to, so no link is followed.
  const packages = {
    'isolated-vm': urlOf(resolve('isolated-vm')),
    'isolated-vm/package.json': urlOf(addon),
    'node-gyp-build': urlOf(resolve('node-gyp-build')),
  }
  return {
    text: JSON.stringify({ entry: urlOf(entry), modules, packages }),
    folders: [dirname(addon), dirname(resolve('node-gyp-build'))],
  }
}

function urlOf(path: string): string {
  return pathToFileURL(path).href
}
