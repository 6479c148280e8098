import { type FSWatcher, watch } from 'node:fs'
import { readdir, readFile, realpath, stat } from 'node:fs/promises'
import { hash } from 'node:crypto'
import { dirname } from 'node:path'

/** After a change, wait so long for the writer to finish. Milliseconds. */
const SETTLE_MS = 100

/** How often to look without having been told: network file systems tell nothing. Milliseconds. */
const POLL_MS = 5_000

/** A set of files under watch. */
export interface Watch {
  /** Watches other files from now on. */
  set(files: readonly string[]): Promise<void>
  close(): void
}

/**
 * Calls back when the content of a watched file, or the names in a watched folder, have changed. Folders are watched rather than files, because editors
 * and deploy tools replace files (atomic renames) and swap links above them (Kubernetes config maps); what counts is
 * the content, so touching a file is no change.
 */
export async function watchFiles(
  files: readonly string[],
  onChange: () => void,
  onError: (error: Error) => void,
): Promise<Watch> {
  let watched: readonly string[] = []
  let watchers: FSWatcher[] = []
  /** Per file, as it was when it was last looked at. */
  let fingerprints: ReadonlyMap<string, string> = new Map()
  let settling: NodeJS.Timeout | undefined
  let isClosed = false

  async function look(): Promise<void> {
    const files = watched
    const seen = await fingerprintsOf(files)
    if (isClosed || files !== watched || isSame(seen, fingerprints)) return
    fingerprints = seen
    // A swapped link leads to other folders.
    await rewatch()
    onChange()
  }

  function settle(): void {
    clearTimeout(settling)
    settling = setTimeout(() => void look().catch(onError), SETTLE_MS)
    settling.unref()
  }

  async function rewatch(): Promise<void> {
    const folders = await foldersOf(watched)
    for (const watcher of watchers) watcher.close()
    if (isClosed) return
    watchers = folders.flatMap((folder) => {
      try {
        const watcher = watch(folder, { persistent: false }, settle)
        // A folder that goes away is seen by the poll.
        watcher.on('error', () => watcher.close())
        return [watcher]
      } catch (cause) {
        onError(cause as Error)
        return []
      }
    })
  }

  const poll = setInterval(() => void look().catch(onError), POLL_MS)
  poll.unref()

  const self: Watch = {
    async set(next) {
      const seen = await fingerprintsOf(next)
      // Known files keep what they were when they were last looked at: a change while the config was being read is
      // still to be told.
      for (const [file, known] of fingerprints) if (seen.has(file)) seen.set(file, known)
      watched = next
      fingerprints = seen
      await rewatch()
      settle()
    },
    close() {
      isClosed = true
      clearInterval(poll)
      clearTimeout(settling)
      for (const watcher of watchers) watcher.close()
    },
  }
  await self.set(files)
  return self
}

/** The folders in which something can happen to the files: as they are named, and where links lead. */
async function foldersOf(files: readonly string[]): Promise<readonly string[]> {
  const folders = new Set<string>()
  for (const file of files) {
    const real = await realpath(file).catch(() => file)
    for (const path of [file, real]) {
      folders.add(dirname(path))
      if ((await stat(path).catch(() => undefined))?.isDirectory()) folders.add(path)
    }
  }
  return [...folders]
}

/** Of a folder, the names in it count: a new file may fit an include. */
async function fingerprintsOf(paths: readonly string[]): Promise<Map<string, string>> {
  const contents = await Promise.all(paths.map((path) => readFile(path).catch(() => namesIn(path))))
  return new Map(paths.map((path, index) => [path, hash('sha256', contents[index]!)]))
}

function isSame(a: ReadonlyMap<string, string>, b: ReadonlyMap<string, string>): boolean {
  return a.size === b.size && [...a].every(([path, fingerprint]) => b.get(path) === fingerprint)
}

async function namesIn(folder: string): Promise<string> {
  const names = await readdir(folder).catch(() => ['missing'])
  return names.sort().join('\n')
}
