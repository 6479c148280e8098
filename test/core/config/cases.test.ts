import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { loadConfig } from '#core/config/load.ts'
import { formatProblem } from '#core/config/problems.ts'
import { catalog } from './made-up-plugins.ts'

/** What a case file says after its line of dashes. */
interface Expected {
  /** Exactly what is printed, in order; nothing where left out. */
  readonly problems?: readonly string[]
  /** A part of the effective config. */
  readonly effective?: object
  readonly env?: Readonly<Record<string, string>>
  /** Files beside gateway.yaml. */
  readonly files?: Readonly<Record<string, string>>
}

const folder = path.resolve(import.meta.dirname, '../../cases/config')
const names = (await readdir(folder)).filter((name) => name.endsWith('.yaml'))
const cases = await Promise.all(
  names.map(async (name) => {
    const text = await readFile(path.join(folder, name), 'utf8')
    const [config = '', expected = ''] = text.split(/^---.*\n/m)
    const title = /^# (.*)/.exec(config)?.[1] ?? ''
    return { name, title, config, expected: (parse(expected) ?? {}) as Expected }
  }),
)

let cwd: string
beforeAll(async () => {
  cwd = await mkdtemp(path.join(tmpdir(), 'sluice-cases-'))
})
afterAll(() => rm(cwd, { recursive: true }))

describe('a config', () => {
  it.each(cases)('$title ($name)', async ({ name, title, config, expected }) => {
    const own = path.join(cwd, name)
    for (const [file, text] of Object.entries({ 'gateway.yaml': config, ...expected.files })) {
      await mkdir(path.dirname(path.join(own, file)), { recursive: true })
      await writeFile(path.join(own, file), text)
    }
    const loaded = await loadConfig('gateway.yaml', { env: expected.env ?? {}, cwd: own, catalog })
    expect(title).not.toBe('')
    expect(loaded.problems.map(formatProblem)).toEqual(expected.problems ?? [])
    const hasErrors = loaded.problems.some(({ severity }) => severity === 'error')
    expect(loaded.config === undefined).toBe(hasErrors)
    expect(loaded.config?.effective ?? {}).toMatchObject(expected.effective ?? {})
  })
})
