import { execFile } from 'node:child_process'
import { cp, mkdir, readFile, rm, symlink } from 'node:fs/promises'
import path from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { registered } from '#core/cli/new/checkout.ts'
import { layOut } from '#core/cli/new/lay-out.ts'
import { folderOf, sluice } from './command-line.ts'

const ROOT = path.resolve(import.meta.dirname, '../../..')
const run = promisify(execFile)

/** A checkout that can be added to: its own plugins, the core of this one. */
async function checkout(): Promise<string> {
  const root = await folderOf({})
  for (const name of ['package.json', 'plugins', 'schemas']) {
    await cp(path.join(ROOT, name), path.join(root, name), { recursive: true })
  }
  for (const name of ['core', 'node_modules']) {
    await symlink(path.join(ROOT, name), path.join(root, name))
  }
  return root
}

/** Runs a script of this checkout with the Node that runs the test. */
function node(cwd: string, ...args: string[]) {
  return run(process.execPath, args, { cwd, env: { PATH: process.env['PATH'] } })
}

const MAIN = path.join(ROOT, 'core/cli/main.ts')

describe('sluice new plugin', () => {
  it('adds one to a checkout, which passes its own test and check', async () => {
    const cwd = await checkout()
    const { stdout } = await node(cwd, MAIN, 'new', 'plugin', 'requestTag')
    expect(stdout.split('\n').filter((line) => line.startsWith('wrote '))).toEqual([
      'wrote plugins/requestTag/requestTag.ts',
      'wrote plugins/requestTag/README.md',
      'wrote test/plugins/requestTag.test.ts',
      'wrote examples/requestTag.yaml',
      'wrote plugins/index.ts',
      'wrote schemas/gateway.schema.json',
      'wrote schemas/plugins/requestTag.schema.json',
      'wrote plugins/README.md',
    ])
    const readme = await readFile(path.join(cwd, 'plugins/requestTag/README.md'), 'utf8')
    expect(readme).toContain('| `header` | text | `x-request` |')

    const vitest = path.join(ROOT, 'node_modules/vitest/vitest.mjs')
    const tested = await node(cwd, vitest, 'run', '--root', cwd, 'test/plugins/requestTag.test.ts')
    expect(tested.stdout).toMatch(/3 passed/)
    // The checkout's own list of plugins, which has the new one, behind this core.
    const core = path.join(cwd, 'core')
    await rm(core)
    await cp(path.join(ROOT, 'core'), core, { recursive: true })
    const own = path.join(core, 'cli/main.ts')
    expect((await node(cwd, own, 'check', 'examples/requestTag.yaml')).stdout).toContain('is right')
    expect((await node(cwd, own, 'list')).stdout).toMatch(/^shape +requestTag /m)
    expect((await node(cwd, own, 'schema', '--check')).stdout).toBe('')
  }, 60_000)

  it('makes a package elsewhere, which passes its own test and check', async () => {
    const cwd = await folderOf({})
    const made = await sluice(['new', 'plugin', 'acmePii'], { cwd })
    expect(made.code).toBe(0)
    expect(made.stdout).toContain('next: cd sluice-acme-pii && npm install && npm test\n')
    const folder = path.join(cwd, 'sluice-acme-pii')
    // What `npm install` would do.
    await mkdir(path.join(folder, 'node_modules'))
    await symlink(ROOT, path.join(folder, 'node_modules/sluice'))

    expect((await node(folder, '--test')).stdout).toMatch(/pass 2\n/)
    const checked = await node(folder, MAIN, 'check')
    expect(checked).toMatchObject({ stdout: './gateway.yaml is right: 1 route, 1 upstream\n' })
    const manifest = JSON.parse(await readFile(path.join(folder, 'package.json'), 'utf8')) as object
    expect(manifest).toMatchObject({ name: 'sluice-acme-pii', exports: './acmePii.js' })
  }, 60_000)

  it('lays out in the folder that it is told', async () => {
    const cwd = await folderOf({ 'ours/.keep': '' })
    await sluice(['new', 'plugin', 'tag', '--dir', 'ours'], { cwd })
    expect(await readFile(path.join(cwd, 'ours/sluice-tag/tag.js'), 'utf8')).toContain("'tag'")
  })

  it('writes over nothing', async () => {
    const cwd = await folderOf({ 'sluice-tag/README.md': 'mine' })
    const { code, stdout, stderr } = await sluice(['new', 'plugin', 'tag'], { cwd })
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
    expect(stderr).toContain('sluice new: sluice-tag/README.md is there already')
    expect(await readFile(path.join(cwd, 'sluice-tag/README.md'), 'utf8')).toBe('mine')
    await expect(readFile(path.join(cwd, 'sluice-tag/tag.js'))).rejects.toThrow('ENOENT')
  })

  it.each([
    ['Request-Tag', 'expected a name in camel case such as requestTag, got "Request-Tag"'],
    ['../evil', 'expected a name in camel case such as requestTag, got "../evil"'],
    ['use', 'the name use has a meaning already'],
    ['when', 'the name when has a meaning already'],
    ['constructor', 'the name constructor has a meaning already'],
    ['class', 'the name class has a meaning already'],
    ['await', 'the name await has a meaning already'],
    ['filter', "filter is a plugin of the gateway's own already"],
  ])('refuses the name %s', async (name, message) => {
    const { code, stderr } = await sluice(['new', 'plugin', name], { cwd: await folderOf({}) })
    expect(code).toBe(2)
    expect(stderr).toContain(message)
  })

  it('wants the word plugin and one name', async () => {
    const cwd = await folderOf({})
    for (const args of [[], ['plugin'], ['tag'], ['plugin', 'a1', 'b2']]) {
      expect(await sluice(['new', ...args], { cwd })).toMatchObject({ code: 2 })
    }
  })
})

describe('laying out', () => {
  it('stops at a file that came in between', async () => {
    const folder = await folderOf({ 'b.txt': 'theirs' })
    const files = ['a.txt', 'b.txt'].map((name) => ({ path: name, content: 'ours' }))
    await expect(layOut(folder, files)).rejects.toThrow('EEXIST')
    expect(await readFile(path.join(folder, 'b.txt'), 'utf8')).toBe('theirs')
  })
})

describe('the list of plugins', () => {
  const index =
    "const LOADERS = {\n  bee: () => import('./bee/bee.ts'),\n  dog: () => import('./dog/dog.ts'),\n}\n"

  it.each(['ant', 'cat', 'elk'])('takes %s in its alphabetical place', (name) => {
    const names = [...registered(index, name).matchAll(/^ {2}(\w+):/gm)].map(([, one]) => one)
    expect(names).toEqual(['bee', 'dog', name].sort())
  })

  it('is not guessed at where it cannot be found', () => {
    expect(() => registered('export {}', 'ant')).toThrow('has no list of plugins to add to')
  })
})
