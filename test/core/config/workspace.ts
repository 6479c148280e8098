import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { onTestFinished } from 'vitest'
import { formatProblem } from '#core/config/problems.ts'
import { readConfig } from '#core/config/read.ts'
import type { ConfigTree } from '#core/config/tree.ts'

/** A folder with these files, gone when the test is over. */
export async function workspace(files: Readonly<Record<string, string>>): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), 'sluice-config-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  for (const [name, text] of Object.entries(files)) {
    await mkdir(path.dirname(path.join(folder, name)), { recursive: true })
    await writeFile(path.join(folder, name), text)
  }
  return folder
}

/** Reads a text as if it were `gateway.yaml`. */
export function readText(text: string, env: Record<string, string> = {}): Promise<ConfigTree> {
  return readConfig('gateway.yaml', { env, text })
}

/** The problems as they are printed. */
export function printed({ problems }: ConfigTree): string[] {
  return problems.map(formatProblem)
}
