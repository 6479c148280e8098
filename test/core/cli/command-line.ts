import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { Readable } from 'node:stream'
import { onTestFinished } from 'vitest'
import { runCommand } from '#core/cli/command.ts'

/** What a command came to. */
export interface Ran {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** Where a command runs. */
export interface Place {
  readonly cwd?: string
  readonly env?: Readonly<Record<string, string>>
  readonly stdin?: string
}

/** Runs `sluice ARGS…` in this process, with a terminal that keeps what is said. */
export async function sluice(args: readonly string[], place: Place = {}): Promise<Ran> {
  const { cwd = process.cwd(), env = {}, stdin = '' } = place
  const said = { stdout: '', stderr: '' }
  const code = await runCommand(args, {
    stdout: (text) => void (said.stdout += text),
    stderr: (text) => void (said.stderr += text),
    env,
    cwd,
    isTerminal: false,
    stdin: Readable.from([stdin]),
  })
  return { code, ...said }
}

/** A folder with these files, gone when the test is over. */
export async function folderOf(files: Readonly<Record<string, string>>): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), 'sluice-cli-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  for (const [name, text] of Object.entries(files)) {
    await mkdir(path.dirname(path.join(folder, name)), { recursive: true })
    await writeFile(path.join(folder, name), text)
  }
  return folder
}

/** The smallest config that serves. */
export const SMALLEST = `version: 1
upstreams: { demo: { dialect: demo } }
routes: [{ id: all, upstream: demo }]
`
