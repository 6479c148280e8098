import { readdir } from 'node:fs/promises'
import { describe, expect, it } from 'vitest'
import { catalog } from '#plugins/index.ts'

const PLUGINS = new URL('../../plugins/', import.meta.url)

/** What is wrong with a catalogue, held against the folders. */
function differences(names: readonly string[], folders: readonly string[]): string[] {
  return [
    ...folders.filter((name) => !names.includes(name)).map((name) => `${name} is not listed`),
    ...names.filter((name) => !folders.includes(name)).map((name) => `${name} has no folder`),
  ]
}

async function folders(): Promise<string[]> {
  const entries = await readdir(PLUGINS, { withFileTypes: true })
  return entries.filter((entry) => entry.isDirectory()).map(({ name }) => name)
}

describe('the catalogue', () => {
  it('lists every folder of plugins, in alphabetical order', async () => {
    expect(differences(catalog.names, await folders())).toEqual([])
    expect(catalog.names).toEqual([...catalog.names].sort())
  })

  it('would miss a folder that is not listed', async () => {
    expect(differences(catalog.names, [...(await folders()), 'madeUp'])).toEqual([
      'madeUp is not listed',
    ])
  })

  it('loads each plugin under its own name', async () => {
    for (const name of catalog.names) {
      const plugin = await catalog.load(name)
      expect(plugin.name).toBe(name)
    }
  })

  it('refuses a name that it does not list', async () => {
    await expect(catalog.load('toString')).rejects.toThrow('there is no plugin "toString"')
  })

  it('stands in plugins/README.md with stage and summary', async () => {
    const { readFile } = await import('node:fs/promises')
    const readme = await readFile(new URL('README.md', PLUGINS), 'utf8')
    for (const name of catalog.names) {
      const { stage, summary } = await catalog.load(name)
      expect(readme).toContain(`| [${name}](${name}/README.md) | ${stage} | ${summary} |`)
    }
  })
})
