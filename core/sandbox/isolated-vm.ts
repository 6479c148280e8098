import { createRequire } from 'node:module'
import type ivm from 'isolated-vm'

const require = createRequire(import.meta.url)

/** GHSA-864f-rcv7-6rh4: with versions before this one, a script can get out. */
export const FLOOR = '7.0.1'

let loaded: typeof ivm | undefined

/** Loads isolated-vm. Throws for a version that scripts can break out of, and where there is none for this machine. */
export function loadIsolatedVm(): typeof ivm {
  if (loaded !== undefined) return loaded
  let version: string
  try {
    version = (require('isolated-vm/package.json') as { version: string }).version
  } catch (cause) {
    throw new Error('scripts need the package isolated-vm: npm i isolated-vm', { cause })
  }
  assertSafe(version)
  try {
    loaded = require('isolated-vm') as typeof ivm
  } catch (cause) {
    const { arch, platform, version: node } = process
    throw new Error(
      `isolated-vm ${version} does not run on ${platform} ${arch} with Node ${node}`,
      {
        cause,
      },
    )
  }
  return loaded
}

/** Throws for a version of isolated-vm below the floor. */
export function assertSafe(version: string): void {
  if (isBelow(version, FLOOR)) {
    throw new Error(
      `isolated-vm ${version} lets scripts break out (GHSA-864f-rcv7-6rh4): ${FLOOR} or later is needed`,
    )
  }
}

function isBelow(version: string, floor: string): boolean {
  // A prerelease comes before its release (semver.org §11).
  const [release = '', prerelease] = version.split('-', 2)
  const [a, b] = [release, floor].map((one) => one.split('.').map(Number)) as [number[], number[]]
  const at = b.findIndex((part, index) => part !== a[index])
  return at === -1 ? prerelease !== undefined : !(a[at]! > b[at]!)
}
