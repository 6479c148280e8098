import { basename } from 'node:path'
import { describe, expect, it } from 'vitest'
import { catalog } from '#plugins/index.ts'
import { readTree, type Tree } from './tree.ts'

const source = readTree('core/**/*.ts', 'plugins/**/*.ts', 'test/**/*.ts', 'examples/**/*.ts')
const words = readTree('plugins/**/*.md', 'examples/*.yaml', 'schemas/plugins/*.json')

describe('files', () => {
  it('say what they hold', () => {
    expect(findEdgelessFiles(source)).toEqual([])
  })

  it.each(['core/kit/utils.ts', 'plugins/koa/helpers.ts', 'core/common/a.ts', 'test/types.ts'])(
    'are caught when called %s',
    (file) => {
      expect(findEdgelessFiles({ [file]: '' })).toEqual([file])
    },
  )
})

describe('exported symbols', () => {
  it('have a sentence that says what they are for', () => {
    expect(findUndocumented(readTree('core/**/*.ts', 'plugins/**/*.ts'))).toEqual([])
  })

  it.each([
    'export function take() {}',
    'export const limit = 3',
    'const a = 1 /* not a sentence */\nexport type Taken = boolean',
    '// a comment for readers of the file\nexport class Bucket {}',
  ])('are caught without one: %s', (text) => {
    expect(findUndocumented({ 'core/kit/a.ts': text })).toHaveLength(1)
  })

  it('share one sentence between overloads', () => {
    const text =
      '/** Takes one. */\nexport function take(a: string): 1\nexport function take(a: 1): 1'
    expect(findUndocumented({ 'core/kit/a.ts': text })).toEqual([])
  })
})

describe('a plugin has one name', () => {
  it.each(catalog.names)('%s: folder, file, README, test, example, schema', async (name) => {
    const plugin = await catalog.load(name)
    expect(plugin.name).toBe(name)
    expect(findMisnamed(name, { ...source, ...words })).toEqual([])
  })

  it('and no folder without a plugin', () => {
    const folders = Object.keys(source).flatMap((file) => /^plugins\/(\w+)\//.exec(file)?.[1] ?? [])
    expect([...new Set(folders)].sort()).toEqual([...catalog.names].sort())
  })

  it('is caught where something is called otherwise', () => {
    const made: Tree = {
      'plugins/geo/index.ts': '',
      'plugins/geo/README.md': '# Geo plugin\n',
      'plugins/README.md': '| [koa](koa/README.md) | shape | … |',
      'test/plugins/geoip.test.ts': '',
      'examples/geo.yaml': 'pipelines: { a: [ koa ] }',
    }
    expect(findMisnamed('geo', made)).toEqual([
      'plugins/geo/geo.ts is missing',
      'plugins/geo/README.md is not titled # geo',
      'plugins/README.md has no row for geo',
      'test/plugins/geo.test.ts is missing',
      'schemas/plugins/geo.schema.json is missing',
      'no example uses geo',
    ])
  })
})

function findEdgelessFiles(tree: Tree): string[] {
  const names = /(^|\/)(utils?|helpers?|common|types|misc|shared-utils)(\.ts$|\/)/
  return Object.keys(tree).filter((file) => names.test(file))
}

function findUndocumented(tree: Tree): string[] {
  const symbol =
    /^export (?:declare )?(?:async )?(?:abstract )?(?:function\*?|const|let|class|interface|type) (?<name>\w+)/
  return Object.entries(tree).flatMap(([file, text]) => {
    const lines = text.split('\n')
    const documented = new Set<string>()
    return lines.flatMap((line, index) => {
      const name = symbol.exec(line)?.groups?.['name']
      if (name === undefined || documented.has(name)) return []
      documented.add(name)
      return isDocEnd(lines, index - 1) ? [] : [`${file}:${index + 1} ${name}`]
    })
  })
}

/** True where a doc comment, and not one of another kind, ends on the line. */
function isDocEnd(lines: readonly string[], index: number): boolean {
  if (!lines[index]?.trimEnd().endsWith('*/')) return false
  for (let at = index; at >= 0; at--) {
    const line = lines[at]!.trimStart()
    if (line.startsWith('/**')) return true
    if (!line.startsWith('*')) return false
  }
  return false
}

function findMisnamed(name: string, tree: Tree): string[] {
  const readme = tree[`plugins/${name}/README.md`]
  const tests = new RegExp(`^test/plugins/${name}(\\.[\\w-]+)?\\.test\\.ts$`)
  const step = new RegExp(`^\\s*- (\\{ *)?${name}(:|\\s*(#.*)?$)`, 'm')
  const examples = Object.entries(tree).filter(([file]) => file.startsWith('examples/'))
  const isUsed = examples.some(
    ([file, text]) => basename(file).endsWith('.yaml') && step.test(text),
  )
  return [
    ...(`plugins/${name}/${name}.ts` in tree ? [] : [`plugins/${name}/${name}.ts is missing`]),
    ...(readme?.startsWith(`# ${name}\n`)
      ? []
      : [`plugins/${name}/README.md is not titled # ${name}`]),
    ...(tree['plugins/README.md']?.includes(`| [${name}](${name}/README.md) |`)
      ? []
      : [`plugins/README.md has no row for ${name}`]),
    ...(Object.keys(tree).some((file) => tests.test(file))
      ? []
      : [`test/plugins/${name}.test.ts is missing`]),
    ...(`schemas/plugins/${name}.schema.json` in tree
      ? []
      : [`schemas/plugins/${name}.schema.json is missing`]),
    ...(isUsed ? [] : [`no example uses ${name}`]),
  ]
}
