import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { readConfig } from '#core/config/read.ts'
import { printed, workspace } from './workspace.ts'

async function readFiles(files: Record<string, string>, main = 'gateway.yaml') {
  const cwd = await workspace(files)
  return { cwd, ...(await readConfig(main, { env: { TENANTS: 'tenants' }, cwd })) }
}

describe('include', () => {
  it('merges maps by name and appends routes in the order of the files', async () => {
    const { tree, positions, problems, sources } = await readFiles({
      'gateway.yaml':
        'include: [last.yaml, "tenants/*.yaml"]\nupstreams: { m: 1 }\nroutes:\n  - id: m\n',
      'last.yaml': 'routes:\n  - id: last\ndefine: { z: 1 }\n',
      'tenants/b.yaml': 'upstreams: { b: 2 }\nroutes: [{ id: b }]\n',
      'tenants/a.yaml':
        'upstreams: { a: 1 }\npipelines: { p: [] }\nplugins: { x: {} }\nroutes: [{ id: a }]\n',
    })

    expect(problems).toEqual([])
    expect(tree['upstreams']).toEqual({ m: 1, a: 1, b: 2 })
    expect(tree['routes']).toEqual([{ id: 'm' }, { id: 'last' }, { id: 'a' }, { id: 'b' }])
    expect(tree).toMatchObject({ define: { z: 1 }, pipelines: { p: [] }, plugins: { x: {} } })
    expect(sources).toEqual(['gateway.yaml', 'last.yaml', 'tenants/a.yaml', 'tenants/b.yaml'])
    const at = (...segments: (string | number)[]) => positions.locate(tree, segments)
    expect(at('upstreams', 'b')).toEqual({ file: 'tenants/b.yaml', line: 1, column: 17 })
    expect(at('routes', 1, 'id')).toEqual({ file: 'last.yaml', line: 2, column: 9 })
    expect(at('routes', 3)).toEqual({ file: 'tenants/b.yaml', line: 2, column: 10 })
    expect(at('define')).toEqual({ file: 'last.yaml', line: 3, column: 9 })
    expect(at('upstreams')).toEqual({ file: 'gateway.yaml', line: 2, column: 12 })
  })

  it('is relative to the main file, named like it, and watched', async () => {
    const { cwd, sources, watch } = await readFiles(
      {
        'conf/gateway.yaml': 'include: ["./${TENANTS}/**/*.yaml", "../shared/x.yaml"]\n',
        'conf/tenants/deep/a.yaml': 'define: { a: "${file:secret}" }\n',
        'conf/tenants/deep/secret': 's',
        'shared/x.yaml': 'define: { x: 1 }\n',
      },
      'conf/gateway.yaml',
    )

    expect(sources).toEqual(['conf/gateway.yaml', 'conf/tenants/deep/a.yaml', 'shared/x.yaml'])
    expect(watch.folders).toEqual([path.join(cwd, 'conf/tenants')])
    expect(watch.files).toEqual(
      [
        'conf/gateway.yaml',
        'conf/tenants/deep/a.yaml',
        'shared/x.yaml',
        'conf/tenants/deep/secret',
      ].map((name) => path.join(cwd, name)),
    )
  })

  it('takes absolute patterns and prints absolute names', async () => {
    const cwd = await workspace({ 'parts/a.yaml': 'define: { a: 007 }\n' })
    const read = await readConfig('gateway.yaml', {
      env: {},
      cwd: '/',
      text: `include: ["${cwd}/parts/*"]\n`,
    })

    expect(printed(read)[0]).toMatch(`${cwd}/parts/a.yaml:1:14 define.a: `)
    expect(read.watch.folders).toEqual([path.join(cwd, 'parts')])
  })

  it('reads each file once, and never the main file, a folder or a hidden file', async () => {
    const { tree, problems, sources } = await readFiles({
      'gateway.yaml': 'include: ["*", "*.yaml", a.yaml, gateway.yaml]\ndefine: { m: 1 }\n',
      'a.yaml': 'define: { a: 1 }\n',
      '.#a.yaml': 'define: { hidden: 1 }\n',
      'folder.yaml/x': '',
    })

    expect(problems).toEqual([])
    expect(sources).toEqual(['gateway.yaml', 'a.yaml'])
    expect(tree['define']).toEqual({ m: 1, a: 1 })
  })

  it('names both places of a name that two files define', async () => {
    const read = await readFiles({
      'gateway.yaml': 'include: [a.yaml, b.yaml]\nupstreams:\n  openai: 1\n',
      'a.yaml': 'upstreams: { openai: 2 }\ndefine: { x: 1 }\n',
      'b.yaml': 'define: { x: 2 }\n',
    })

    expect(printed(read)).toEqual([
      'a.yaml:1:14 upstreams.openai: the name is already taken at gateway.yaml:3:3\n' +
        '  hint: rename one of them',
      'b.yaml:1:11 define.x: the name is already taken at a.yaml:2:11\n  hint: rename one of them',
    ])
    expect(read.tree['upstreams']).toEqual({ openai: 1 })
  })

  it('refuses in an included file what is said once, or is not known', async () => {
    const read = await readFiles({
      'gateway.yaml': 'include: [a.yaml]\n',
      'a.yaml':
        'include: [b.yaml]\nserver: {}\nversion: 1\nupstream: {}\nxyzzy: 1\nroutes: {}\ndefine: [1]\npipelines:\n',
    })

    expect(printed(read)).toEqual([
      'a.yaml:1:1 include: an included file includes others\n  hint: list them all in gateway.yaml',
      'a.yaml:2:1 server: only the main file may say this\n  hint: move it to gateway.yaml',
      'a.yaml:3:1 version: only the main file may say this\n  hint: move it to gateway.yaml',
      'a.yaml:4:1 upstream: unknown section\n  hint: did you mean upstreams?',
      'a.yaml:5:1 xyzzy: unknown section\n' +
        '  hint: an included file may hold upstreams, pipelines, define, plugins, routes',
      'a.yaml:6:9 routes: expected a list, got a map',
      'a.yaml:7:9 define: expected a map, got a list',
    ])
  })

  it('tells the problems of all files, in the order of the files', async () => {
    const read = await readFiles({
      'gateway.yaml':
        'include: [broken.yaml, missing.yaml, "none/*.yaml", a.yaml, empty.yaml]\nb: 007\n',
      'broken.yaml': 'a: [\n',
      'a.yaml': 'define: { a: "${NONE}" }\n',
      'empty.yaml': '# nothing yet\n',
    })

    expect(printed(read).map((problem) => problem.split('\n')[0])).toEqual([
      'gateway.yaml:1:24 include[1]: cannot read missing.yaml: there is no such file (ENOENT)',
      'gateway.yaml:1:38 warning: include[2]: "none/*.yaml" matches no file',
      'gateway.yaml:2:4 b: 007 is read as the number 7',
      expect.stringMatching(/^broken\.yaml:2:1 not valid YAML: /),
      'a.yaml:1:14 define.a: ${NONE} is not set',
      'empty.yaml:1:1 warning: the file is empty',
    ])
    expect(read.isComplete).toBe(false)
  })

  it('leaves what is not a list of texts to the schema', async () => {
    for (const include of [
      '5',
      '[5, null, ""]',
      '{ a: 1 }',
      '["${NONE}"]',
      '["a\\0*"]',
      '["a\\0"]',
    ]) {
      const { tree } = await readFiles({ 'gateway.yaml': `include: ${include}\ndefine: {}\n` })
      expect(tree['define']).toEqual({})
    }
  })

  it('does not look for a file whose name could not be filled in', async () => {
    const read = await readFiles({ 'gateway.yaml': 'include: ["${NONE}"]\n' })
    expect(read.problems.map(({ message }) => message)).toEqual(['${NONE} is not set'])
  })

  it('fills sections that the main file leaves empty, and leaves wrong ones to the schema', async () => {
    const { tree, problems } = await readFiles({
      'gateway.yaml': 'include: [a.yaml]\nupstreams:\nroutes:\npipelines: 5\n',
      'a.yaml': 'upstreams: { a: 1 }\nroutes: [1]\npipelines: { p: [] }\n',
    })

    expect(problems).toEqual([])
    expect(tree).toMatchObject({ upstreams: { a: 1 }, routes: [1], pipelines: 5 })
  })

  it('stops at 500 files', async () => {
    const files = Object.fromEntries(
      Array.from({ length: 501 }, (_, at) => [`parts/${at}.yaml`, `define: { d${at}: 1 }\n`]),
    )
    const read = await readFiles({ 'gateway.yaml': 'include: ["parts/*"]\n', ...files })

    expect(printed(read)).toEqual([
      'gateway.yaml:1:11 include[0]: more than 500 files are included',
    ])
    expect(Object.keys(read.tree['define'] as object)).toHaveLength(500)
  })

  it('stops at 8 MB in all', async () => {
    const files = Object.fromEntries(
      Array.from({ length: 9 }, (_, at) => [`parts/${at}.yaml`, `#${'x'.repeat(1_000_000)}\n`]),
    )
    const read = await readFiles({ 'gateway.yaml': 'include: ["parts/*"]\n', ...files })

    expect(printed(read)[0]).toBe(
      'gateway.yaml:1:11 include[0]: cannot read parts/8.yaml: ' +
        'all files together have more than 8,388,608 characters',
    )
  })
})
