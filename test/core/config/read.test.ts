import { execFile } from 'node:child_process'
import { chmod, symlink } from 'node:fs/promises'
import path from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { readConfig } from '#core/config/read.ts'
import { printed, readText, workspace } from './workspace.ts'

describe('readConfig', () => {
  it('reads a file by the name it was given, relative to the working directory', async () => {
    const cwd = await workspace({ 'conf/gateway.yaml': 'a:\n  b: 007\n' })
    const read = await readConfig('conf/gateway.yaml', { env: {}, cwd })

    expect(printed(read)[0]).toMatch(/^conf\/gateway\.yaml:2:6 a\.b: /)
    expect(read.positions.root).toEqual({ file: 'conf/gateway.yaml', line: 1, column: 1 })
    expect(read.watch).toEqual({ files: [path.join(cwd, 'conf/gateway.yaml')], folders: [] })
    expect(read.sources).toEqual(['conf/gateway.yaml'])
  })

  it('takes a text in place of the main file, with its includes from the disk', async () => {
    const cwd = await workspace({ 'part.yaml': 'define: { b: 2 }\n' })
    const text = 'include: [part.yaml]\ndefine: { a: 1 }\n'
    const { tree, problems } = await readConfig('gateway.yaml', { env: {}, cwd, text })

    expect(problems).toEqual([])
    expect(tree['define']).toEqual({ a: 1, b: 2 })
  })

  it('says why a file cannot be read, and watches for it to appear', async () => {
    const cwd = await workspace({ 'folder/x': '' })
    const missing = await readConfig('none.yaml', { env: {}, cwd })

    expect(missing.watch.files).toEqual([path.join(cwd, 'none.yaml')])
    expect(missing.isComplete).toBe(false)
    expect(missing.tree).toEqual({})
    expect(printed(missing)).toEqual([
      'none.yaml:1:1 cannot read the config: there is no such file (ENOENT)',
    ])
    expect(printed(await readConfig('folder', { env: {}, cwd }))).toEqual([
      'folder:1:1 cannot read the config: it is a folder',
    ])
    expect(printed(await readConfig('folder/x/y', { env: {}, cwd }))).toEqual([
      'folder/x/y:1:1 cannot read the config: a part of its path is not a folder (ENOTDIR)',
    ])
    expect(printed(await readConfig('a\u0000b', { env: {}, cwd }))).toEqual([
      'a\u0000b:1:1 cannot read the config: that is not a file name',
    ])
  })

  it('does not wait for a pipe, nor read a device or a circle of links', async () => {
    const cwd = await workspace({})
    await promisify(execFile)('mkfifo', [path.join(cwd, 'pipe')])
    await symlink('circle', path.join(cwd, 'circle'))

    for (const name of ['pipe', '/dev/zero']) {
      expect(printed(await readConfig(name, { env: {}, cwd }))).toEqual([
        `${name}:1:1 cannot read the config: it is not a regular file`,
      ])
    }
    expect(printed(await readConfig('circle', { env: {}, cwd }))).toEqual([
      'circle:1:1 cannot read the config: its symbolic links go in a circle (ELOOP)',
    ])
  })

  it('follows links, as a mounted config map has them', async () => {
    const cwd = await workspace({ '..data/gateway.yaml': 'a: 1\n' })
    await symlink('..data/gateway.yaml', path.join(cwd, 'gateway.yaml'))

    expect((await readConfig('gateway.yaml', { env: {}, cwd })).tree).toEqual({ a: 1 })
  })

  it('refuses what is not UTF-8', async () => {
    const cwd = await workspace({})
    const { writeFile } = await import('node:fs/promises')
    await writeFile(path.join(cwd, 'latin1.yaml'), Buffer.from('a: caf\xe9\n', 'latin1'))

    expect(printed(await readConfig('latin1.yaml', { env: {}, cwd }))).toEqual([
      'latin1.yaml:1:1 cannot read the config: it is not UTF-8 text',
    ])
  })

  it('warns of a file that anybody may change', async () => {
    const cwd = await workspace({ 'gateway.yaml': 'a: 1\n' })
    await chmod(path.join(cwd, 'gateway.yaml'), 0o666)
    const read = await readConfig('gateway.yaml', { env: {}, cwd })

    expect(printed(read)).toEqual([
      'gateway.yaml:1:1 warning: anybody on this machine may change this file\n' +
        '  hint: chmod o-w gateway.yaml',
    ])
    await chmod(path.join(cwd, 'gateway.yaml'), 0o664)
    expect((await readConfig('gateway.yaml', { env: {}, cwd })).problems).toEqual([])
  })

  it('names a place in a list and a key that is not a plain word', async () => {
    const read = await readText('a:\n  - "b c": [007]\n')
    expect(printed(read)[0]).toMatch(/^gateway\.yaml:2:13 a\[0\]\["b c"\]\[0\]: /)
  })
})
