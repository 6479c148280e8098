import { readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { getHeapStatistics } from 'node:v8'
import { formatBytes } from '../../kit/bytes.ts'
import { fail, type Finding, ok, warn } from './finding.ts'

/** What the gateway itself is made for. */
interface Manifest {
  readonly version?: string
  readonly engines?: { readonly node?: string }
  readonly dependencies?: Readonly<Record<string, string>>
}

/** Packages whose version decides whether traffic is safe. */
const WATCHED = ['undici', 'ws', 'koa']
/** Those that are only there where a plugin needs them. */
const OPTIONAL = ['isolated-vm']

/** The clock of a machine whose clock is right shows at least this: 2026-01-01. Milliseconds since 1970. */
const EARLIEST = 1_767_225_600_000
/** Below this, a container is tight even for an idle gateway. Bytes. */
const SMALL_MEMORY = 256 * 1024 * 1024

/** Node, and the packages that traffic passes through. */
export async function examineVersions(manifest: Manifest): Promise<Finding[]> {
  return [
    versionFinding('node', process.versions.node, manifest.engines?.node ?? '', 'install Node 24'),
    ...(await Promise.all(
      WATCHED.map(async (name) => {
        const wanted = manifest.dependencies?.[name] ?? ''
        return versionFinding(name, await installedVersion(name), wanted, 'npm ci')
      }),
    )),
    ...(await optionalVersions()),
  ]
}

async function optionalVersions(): Promise<Finding[]> {
  const found = await Promise.all(
    OPTIONAL.map(async (name) => ({ name, version: await installedVersion(name) })),
  )
  return found.flatMap(({ name, version }) => (version === undefined ? [] : [ok(name, version)]))
}

/** Holds a version against the least that a range such as `^8.12.4` or `>=24.14` allows. */
export function versionFinding(
  subject: string,
  version: string | undefined,
  range: string,
  remedy: string,
): Finding {
  const floor = range.replace(/^[^\d]*/, '')
  if (version === undefined) return fail(subject, 'is not installed', remedy)
  if (compareVersions(version, floor) >= 0) return ok(subject, version)
  return fail(subject, `${version}, but at least ${floor} is needed`, remedy)
}

/** Below, at or above zero as `a` is older than, the same as or newer than `b`. */
function compareVersions(a: string, b: string): number {
  const [left, right] = [a, b].map((text) => text.split(/[.-]/).map(Number))
  for (let at = 0; at < right!.length; at++) {
    const difference = (left![at] ?? 0) - right![at]!
    if (difference !== 0) return difference
  }
  return 0
}

/** The version in the manifest above a package's main file: not every package exports its manifest. */
async function installedVersion(name: string): Promise<string | undefined> {
  let file: string
  try {
    file = fileURLToPath(import.meta.resolve(name))
  } catch {
    return undefined
  }
  for (let folder = dirname(file); folder !== dirname(folder); folder = dirname(folder)) {
    const text = await readFile(join(folder, 'package.json'), 'utf8').catch(() => undefined)
    if (text === undefined) continue
    const manifest = JSON.parse(text) as { name?: string; version?: string }
    if (manifest.name === name) return manifest.version
  }
  return undefined
}

/** Open files, memory and the clock. `connections`: how many the config lets clients have at one time. */
export function examineLimits(connections: number, now: number): Finding[] {
  return [openFiles(softLimit(), connections), memory(memoryLimits()), clock(now)]
}

/** A connection of a client needs one descriptor, and one more towards the upstream. */
export function openFiles(limit: number | undefined, connections: number): Finding {
  const needed = 2 * connections
  if (limit === undefined) return ok('open files', 'no limit')
  if (limit >= needed) return ok('open files', `up to ${limit}`)
  const message = `up to ${limit}; ${connections} connections need about ${needed}`
  return warn('open files', message, `ulimit -n ${needed}, or lower server.limits.connections`)
}

function softLimit(): number | undefined {
  const report = process.report.getReport() as {
    userLimits?: { open_files?: { soft?: number | string } }
  }
  const soft = report.userLimits?.open_files?.soft
  return typeof soft === 'number' ? soft : undefined
}

function memoryLimits(): { heap: number; machine: number } {
  // Zero or absurdly large where nothing limits the process.
  const constrained = process.constrainedMemory()
  const machine = constrained > 0 && constrained < 2 ** 50 ? constrained : Infinity
  return { heap: getHeapStatistics().heap_size_limit, machine }
}

/** A heap that may outgrow its container is killed rather than collected. */
export function memory({ heap, machine }: { heap: number; machine: number }): Finding {
  const shown = `heap up to ${size(heap)}`
  if (machine === Infinity) return ok('memory', shown)
  const both = `${shown}, ${size(machine)} in all`
  if (machine < SMALL_MEMORY) return warn('memory', both, `give it ${size(SMALL_MEMORY)} or more`)
  if (heap < machine) return ok('memory', both)
  const megabytes = Math.floor((machine * 0.75) / 1024 / 1024)
  return warn('memory', both, `NODE_OPTIONS=--max-old-space-size=${megabytes}`)
}

function size(bytes: number): string {
  return formatBytes(Math.round(bytes / 1024 / 1024) * 1024 * 1024)
}

/** Tokens and certificates are judged by the clock. */
export function clock(now: number): Finding {
  const shown = new Date(now).toISOString()
  if (now >= EARLIEST) return ok('clock', shown)
  return fail('clock', `${shown} is in the past`, 'set it, or start a time service such as chrony')
}
