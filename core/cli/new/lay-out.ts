import { access, mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'

/** A file to be made. */
export interface LaidOutFile {
  /** From the folder that all of them are laid out in. */
  readonly path: string
  readonly content: string
}

/** The first of the files that is there already. */
export async function firstExisting(
  folder: string,
  files: readonly LaidOutFile[],
): Promise<string | undefined> {
  for (const { path } of files) {
    const isThere = await access(join(folder, path)).then(
      () => true,
      () => false,
    )
    if (isThere) return path
  }
  return undefined
}

/** Writes files that are not there yet; rejects with EEXIST rather than write over one. */
export async function layOut(folder: string, files: readonly LaidOutFile[]): Promise<void> {
  for (const { path, content } of files) {
    const file = join(folder, path)
    await mkdir(dirname(file), { recursive: true })
    await writeFile(file, content, { flag: 'wx' })
  }
}
