import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { loadConfig } from '#core/config/load.ts'
import { formatProblem } from '#core/config/problems.ts'
import { catalog } from '#plugins/index.ts'

let folder: string

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'sluice-scripts-'))
  onTestFinished(() => rm(folder, { recursive: true }))
})

const config = (steps: string, head = '') => `version: 1
${head}
upstreams: { demo: { dialect: demo } }
pipelines:
  chat:
${steps}
routes: [{ id: all, match: { api: openai-chat }, pipeline: chat, upstream: demo }]
`

/** Loads a config with these files beside it. */
async function load(text: string, files: Record<string, string> = {}) {
  for (const [name, content] of Object.entries(files)) {
    await writeFile(path.join(folder, name), content)
  }
  const options = { text, env: {}, catalog, cwd: folder }
  const loaded = await loadConfig('gateway.yaml', options)
  return { ...loaded, printed: loaded.problems.map(formatProblem) }
}

const inline = (code: string) =>
  `    - script:\n        code: |\n${code.replaceAll(/^/gm, '          ')}`

describe('a script in the config', () => {
  it('is told of at its line and column', async () => {
    const { printed } = await load(config(inline('const a = 1\nif (a) {\n  let  = 2\n}')))
    expect(printed).toEqual([
      'gateway.yaml:10:13 pipelines.chat[0].script.code: unexpected strict mode reserved word',
    ])
  })

  it.each([
    ['foo(', '9:11', 'expression expected'],
    ['}); evil(); (function(){', '8:12', "unexpected token ')'"],
    ['const a = 1;\nconst a = 2', '9:17', "identifier 'a' has already been declared"],
    ["const s = 'abc", '8:21', 'unterminated string constant'],
    ['const a: number = \n  = 1', '9:13', 'expression expected'],
    ['with (req) {}', '8:11', "the 'with' statement is not supported"],
    ['enum A { B }\nconst x: A = 1', '8:11', 'TypeScript enum is not supported in strip-only mode'],
    ["import { mask } from 'lib/none'", '8:11', 'no library "lib/none"'],
  ])('that says %j', async (code, place, message) => {
    const { printed } = await load(config(inline(code)))
    expect(printed.join('\n')).toContain(`gateway.yaml:${place} pipelines.chat[0].script.code: `)
    expect(printed.join('\n').toLowerCase()).toContain(message.toLowerCase())
  })

  it('that stands in quotes is told of at its beginning, with the line inside', async () => {
    const { printed } = await load(config(`    - script: { code: "a\\nfoo(" }`))
    expect(printed).toEqual([
      'gateway.yaml:6:23 pipelines.chat[0].script.code: line 2, column 5 of the script: expression expected',
    ])
  })

  it('nests only so deep', async () => {
    const { printed } = await load(config(inline('['.repeat(100_000))))
    expect(printed.join()).toContain('the script nests too deep to be read')
    // The parser of types is as good as before.
    expect((await load(config(inline('const a: number = 1')))).printed).toEqual([])
  })
})

describe('a script in a file', () => {
  it('is told of with its name', async () => {
    const { printed } = await load(config('    - script: { file: ./guard.ts }'), {
      'guard.ts': 'const a: string = req.path\n\nif (a {\n}',
    })
    expect(printed).toEqual(["guard.ts:3:7 pipelines.chat[0].script.file: expected ')', got '{'"])
  })

  it('that ends in .js has no types', async () => {
    const { printed } = await load(config('    - script: { file: guard.js }'), {
      'guard.js': 'const a: string = req.path',
    })
    expect(printed[0]).toContain('guard.js:1:7')
  })

  it('that is not there is told of where it is named', async () => {
    const { printed, files } = await load(config('    - script: { file: ./guard.ts }'))
    expect(printed).toEqual([
      'gateway.yaml:6:23 pipelines.chat[0].script.file: cannot read guard.ts: there is no such file (ENOENT)',
    ])
    // So that a reload notices when it appears.
    expect(files).toContain(path.join(folder, 'guard.ts'))
  })

  it('changes the step when it changes', async () => {
    const text = config('    - script: { file: ./guard.js }')
    const prints = async (code: string) => {
      const { config: loaded } = await load(text, { 'guard.js': code })
      return [loaded?.fingerprint, loaded?.routes[0]?.steps[0]?.fingerprint]
    }
    const first = await prints('deny(400)')
    expect(await prints('deny(400)')).toEqual(first)
    const second = await prints('deny(401)')
    expect(second[0]).not.toBe(first[0])
    expect(second[1]).not.toBe(first[1])
  })
})

describe('a library', () => {
  const head = 'scripts: ./*.lib.ts'
  const user = inline("import { mask } from 'cards.lib'\nvars.x = mask('1')")

  it('is imported by its path without the ending, or as seen from the file', async () => {
    const files = {
      'cards.lib.ts':
        "import { dots } from './dots.lib.ts'\nexport const mask = (text: string) => dots(text)\n",
      'dots.lib.ts': 'export function dots(text: string) { return text.replaceAll(/./g, "•") }\n',
    }
    const { printed, config: loaded } = await load(config(user, head), files)
    expect(printed).toEqual([])
    const options = loaded?.routes[0]?.steps[0]?.options as { code: { units: unknown[] } }
    expect(options.code.units).toHaveLength(3)
  })

  it('is told of at its own line, whether it is used or not', async () => {
    const { printed } = await load(config('    []', head).replace('chat:\n    []', 'chat: []'), {
      'cards.lib.ts': 'export const a = 1\nexport default 5\n',
    })
    expect(printed).toEqual([
      "cards.lib.ts:2:1 scripts: 'import', and 'export' cannot be used outside of module code",
    ])
  })

  it('that imports itself is an error', async () => {
    const { printed } = await load(config(user, head), {
      'cards.lib.ts': "import { x } from 'dots.lib'\nexport const mask = x\n",
      'dots.lib.ts': "import { mask } from 'cards.lib'\nexport const x = mask\n",
    })
    expect(printed[0]).toContain('dots.lib.ts:1:1')
    expect(printed[0]).toContain('the library cards.lib imports itself')
  })

  it('changes the scripts that import it, and no others', async () => {
    const text = config(`${user}\n${inline('vars.y = 1')}`, head)
    const prints = async (code: string) => {
      const { config: loaded } = await load(text, { 'cards.lib.ts': code })
      return loaded!.routes[0]!.steps.map(({ fingerprint }) => fingerprint)
    }
    const [first, other] = await prints('export const mask = () => 1\n')
    const changed = await prints('export const mask = () => 2\n')
    expect(changed[0]).not.toBe(first)
    expect(changed[1]).toBe(other)
  })

  it('is looked for under a pattern, and a pattern that fits nothing is a warning', async () => {
    const { printed, files } = await load(config(inline('vars.y = 1'), head))
    expect(printed).toEqual(['gateway.yaml:2:10 warning: scripts: "./*.lib.ts" matches no file'])
    expect(files).toContain(folder)
  })
})
