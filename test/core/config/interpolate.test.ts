import { describe, expect, it } from 'vitest'
import path from 'node:path'
import { readConfig } from '#core/config/read.ts'
import { printed, readText, workspace } from './workspace.ts'

const FORMS = 'accepted are ${NAME}, ${NAME:-default} and ${file:PATH}; $${ stands for a plain ${'

describe('${NAME}', () => {
  it('fills in a variable, several to a text', async () => {
    const { tree, problems } = await readText('a: "${A}"\nb: <${A}-${_b2}>\n', { A: 'x', _b2: 'y' })
    expect(problems).toEqual([])
    expect(tree).toEqual({ a: 'x', b: '<x-y>' })
  })

  it('takes an empty variable for set, and for unset where there is a default', async () => {
    const { tree, problems } = await readText('a: "${E}"\nb: "${E:-d}"\nc: "${N:-}"\nd: ${N:-}\n', {
      E: '',
    })
    expect(problems).toEqual([])
    expect(tree).toEqual({ a: '', b: 'd', c: '', d: '' })
  })

  it('says where a variable is missing, and what to do', async () => {
    const read = await readText('upstreams:\n  users: { url: "${USERS_URL}" }\n')
    expect(printed(read)).toEqual([
      'gateway.yaml:2:17 upstreams.users.url: ${USERS_URL} is not set\n' +
        '  hint: export USERS_URL, or give a default: ${USERS_URL:-…}',
    ])
  })

  it('knows only own variables', async () => {
    expect(printed(await readText('a: ${constructor}'))[0]).toMatch(/is not set/)
  })

  it('gives the type of JSON to an unquoted value that is nothing else', async () => {
    const env = { N: '8080', F: '-1.50', T: 'true', Z: 'null', E: '1e3' }
    const { tree } = await readText(
      'n: ${N}\nf: ${F}\nt: ${T}\nz: ${Z}\ne: ${E}\nd: ${X:-5}\nlist:\n  - ${N}\n',
      env,
    )
    expect(tree).toEqual({ n: 8080, f: -1.5, t: true, z: null, e: 1000, d: 5, list: [8080] })
  })

  it('leaves text what would change if it were a number, or mean something in YAML', async () => {
    for (const text of [
      '007',
      '0x1F',
      '1e999',
      '12345678901234567890',
      '+5',
      '.5',
      'yes',
      '~',
      ' 1',
    ]) {
      expect((await readText('a: ${A}', { A: text })).tree).toEqual({ a: text })
    }
  })

  it('leaves text what is quoted, tagged or has more in it', async () => {
    const { tree } = await readText(
      'a: "${N}"\nb: \'${N}\'\nc: ${N}0\nd: !!str ${N}\ne: >-\n  ${N}\n',
      {
        N: '8080',
      },
    )
    expect(tree).toEqual({ a: '8080', b: '8080', c: '80800', d: '8080', e: '8080' })
  })

  it('cannot bring structure, nor further interpolation', async () => {
    const evil = 'x\nadmin: { open: true }\n# ${B} *a !t'
    const { tree, problems } = await readText('a: ${A}\nb: "${A}"\n', { A: evil, B: 'no' })
    expect(problems).toEqual([])
    expect(tree).toEqual({ a: evil, b: evil })
  })

  it('is not looked for in keys and comments', async () => {
    const { tree, problems } = await readText('"${A}": x # ${NONE} ${\n', { A: 'y' })
    expect(problems).toEqual([])
    expect(tree).toEqual({ '${A}': 'x' })
  })

  it('leaves $path shorthands and $$ alone', async () => {
    const text = 'a: $req.body.model\nb: $$price\nc: costs $5 {x}\nd: $\n'
    const { tree, problems } = await readText(text)
    expect(problems).toEqual([])
    expect(tree).toEqual({ a: '$req.body.model', b: '$$price', c: 'costs $5 {x}', d: '$' })
  })

  it('is escaped by a second dollar', async () => {
    const { tree, problems } = await readText('a: $${A}\nb: "x$${${A}$${"\nc: $$${A}\n', { A: '1' })
    expect(problems).toEqual([])
    expect(tree).toEqual({ a: '${A}', b: 'x${1${', c: '$${A}' })
  })

  it('stays as it is in a | block, where scripts have their own', async () => {
    const { tree, problems } = await readText('code: |\n  return `${A} ${b.c}`\n', { A: 'x' })
    expect(problems).toEqual([])
    expect(tree).toEqual({ code: 'return `${A} ${b.c}`\n' })
  })

  it('warns of a form in a | block that no script can hold', async () => {
    const read = await readText('key: |\n  ${file:/run/secrets/key}\n')
    expect(printed(read)).toEqual([
      'gateway.yaml:1:6 warning: key: a "|" block is taken literally, ' +
        'and so is "${file:/run/secrets/key}" in it\n  hint: use quotes, or ">", to fill it in',
    ])
  })

  it.each([
    ['${}', '${}', FORMS],
    ['${ A }', '${ A }', FORMS],
    ['${1A}', '${1A}', FORMS],
    ['${a.b}', '${a.b}', FORMS],
    ['${A-x}', '${A-x}', FORMS],
    ['${A:?x}', '${A:?x}', FORMS],
    ['${file:}', '${file:}', FORMS],
    ['x ${A', '${A…', `is the closing brace missing? ${FORMS}`],
    ['${A:-{}}', '${A:-{}', 'neither a default nor a path can hold { or }'],
    ['${A:-${B}}', '${A:-${B}', 'neither a default nor a path can hold { or }'],
    ['${file:${A}}', '${file:${A}', 'neither a default nor a path can hold { or }'],
  ])('refuses %s', async (text, found, hint) => {
    const read = await readText(`a: '${text}'`, { A: '1' })
    expect(printed(read)).toEqual([
      `gateway.yaml:1:4 a: malformed ${JSON.stringify(found)}\n  hint: ${hint}`,
    ])
    expect(read.tree).toEqual({ a: text })
  })
})

describe('${file:PATH}', () => {
  it('reads a file relative to the config, without its last newlines', async () => {
    const cwd = await workspace({
      'conf/gateway.yaml':
        'a: ${file:key}\nb: "x${file:../up.txt}y"\nc: ${file:key}\nd: ${file:number}\n',
      'conf/key': 'secret\r\n\n',
      'conf/number': '42\n',
      'up.txt': 'two\nlines',
    })
    const { tree, positions, problems, watch } = await readConfig('conf/gateway.yaml', {
      env: {},
      cwd,
    })

    expect(problems).toEqual([])
    expect(tree).toEqual({ a: 'secret', b: 'xtwo\nlinesy', c: 'secret', d: 42 })
    expect(positions.isLiteral(tree, 'a')).toBe(false)
    expect(positions.of(tree, 'a')?.parts).toEqual([{ from: 'file', text: 'secret', name: 'key' }])
    expect(watch.files).toEqual(
      ['conf/gateway.yaml', 'conf/key', 'up.txt', 'conf/number'].map((name) =>
        path.join(cwd, name),
      ),
    )
  })

  it('takes an absolute path', async () => {
    const cwd = await workspace({ key: 'secret\n' })
    const { tree } = await readText(`a: \${file:${cwd}/key}\n`)
    expect(tree).toEqual({ a: 'secret' })
  })

  it('says why a file cannot be read, without what is in it, and watches for it', async () => {
    const cwd = await workspace({
      'gateway.yaml':
        'a: ${file:none}\nb: ${file:folder}\nc: ${file:large}\nd: ${file:/dev/zero}\n',
      'folder/x': '',
      large: 'x'.repeat(65_537),
    })
    const read = await readConfig('gateway.yaml', { env: {}, cwd })
    const hint = '\n  hint: paths are relative to the folder of this config file'

    expect(printed(read)).toEqual([
      `gateway.yaml:1:4 a: cannot read \${file:none}: there is no such file (ENOENT)${hint}`,
      `gateway.yaml:2:4 b: cannot read \${file:folder}: it is a folder${hint}`,
      'gateway.yaml:3:4 c: cannot read ${file:large}: ' +
        `it has 65,537 bytes, and at most 65,536 are accepted${hint}`,
      `gateway.yaml:4:4 d: cannot read \${file:/dev/zero}: it is not a regular file${hint}`,
    ])
    expect(read.watch.files).toContain(path.join(cwd, 'none'))
  })

  it('does not interpolate what the file holds', async () => {
    const cwd = await workspace({ 'gateway.yaml': 'a: ${file:x}\n', x: '${A} *b\n' })
    expect((await readConfig('gateway.yaml', { env: { A: '1' }, cwd })).tree).toEqual({
      a: '${A} *b',
    })
  })
})
