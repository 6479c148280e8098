import { describe, expect, it } from 'vitest'
import { printed, readText } from './workspace.ts'

/** Text, and the first problem that it has, printed. */
const REFUSED: readonly [what: string, text: string, problem: string][] = [
  [
    'an unquoted "!", which YAML would drop',
    'when: !isFree',
    'gateway.yaml:1:7 YAML takes "!isFree" for a type, so the "!" would be lost\n' +
      '  hint: quote it if it is text; to negate an expression, write { not: … }',
  ],
  [
    'a lonely "!" before a list',
    'when: ! [x]',
    'gateway.yaml:1:7 YAML takes "!" for a type, so the "!" would be lost\n' +
      '  hint: quote it if it is text; to negate an expression, write { not: … }',
  ],
  [
    'a "!" before a key',
    'deny: { !: [x] }',
    'gateway.yaml:1:9 YAML takes "!:" for a type, so the "!" would be lost\n' +
      '  hint: quote it if it is text; to negate an expression, write { not: … }',
  ],
  [
    'types that JSON does not have',
    'a: !!binary aGk=',
    'gateway.yaml:1:4 unknown YAML type "!!binary"\n' +
      '  hint: accepted are !!str !!int !!float !!bool !!null !!map !!seq',
  ],
  [
    'an anchor that was meant as text',
    'password: &secret word',
    'gateway.yaml:1:11 the anchor "&secret" is never used, and YAML drops it from the value\n' +
      '  hint: quote the value if the & is part of it',
  ],
  [
    'an alias that was meant as text',
    'models:\n  - *free',
    'gateway.yaml:2:5 models[0]: the alias "*free" has no anchor "&free"\n' +
      '  hint: quote it if the star is part of the text, or name the anchor before it',
  ],
  [
    'an alias inside its own anchor',
    'a: &a [1, *a]',
    'gateway.yaml:1:11 a[1]: the alias "*a" stands inside its own anchor',
  ],
  ['an anchor on a key', '&a b: 1', 'gateway.yaml:1:4 an anchor "&a" on a key is not accepted'],
  [
    'merge keys',
    'a: { <<: { b: 1 } }',
    'gateway.yaml:1:6 a: the merge key "<<" is not part of YAML 1.2\n' +
      '  hint: splice a pipeline with use, change a step with override',
  ],
  [
    'a second document',
    'a: 1\n---\nb: 2',
    'gateway.yaml:2:1 a second document in one file\n  hint: use one file each, and include',
  ],
  [
    'directives, which could turn "no" into false',
    '%YAML 1.1\n---\na: no',
    'gateway.yaml:1:1 directive "%YAML 1.1" is not accepted\n  hint: leave it out',
  ],
  [
    'duplicate keys',
    'a:\n  b: 1\n  "b": 2',
    'gateway.yaml:3:3 a.b: duplicate key, first written on line 2',
  ],
  [
    'duplicate keys in JSON',
    '{"a": {"b": 1, "b": 2}}',
    'gateway.yaml:1:16 a.b: duplicate key, first written on line 1',
  ],
  [
    'keys that reach a prototype',
    'a: { __proto__: { isAdmin: true } }',
    'gateway.yaml:1:6 a: the key "__proto__" is not accepted',
  ],
  [
    'quoted keys that reach a prototype',
    '{"a": {"constructor": {"prototype": 1}}}',
    'gateway.yaml:1:8 a: the key "constructor" is not accepted',
  ],
  [
    'keys that are not text',
    'a: { null: 1 }',
    'gateway.yaml:1:6 a: expected text for a key, got null\n  hint: quote it: "null"',
  ],
  [
    'keys that would be printed otherwise',
    '0x1F: 1',
    'gateway.yaml:1:1 expected text for a key, got 31\n  hint: quote it: "0x1F"',
  ],
  [
    'empty keys',
    ': 1',
    'gateway.yaml:1:1 expected text for a key, got null\n  hint: write "" for an empty key',
  ],
  [
    'maps and lists as keys',
    '? [a]\n: 1',
    'gateway.yaml:1:3 expected text for a key, got a map or list',
  ],
  ['aliases as keys', 'a: &x b\n*x : 1', 'gateway.yaml:2:1 expected text for a key, got an alias'],
  [
    'what JSON has no number for',
    'a: -.inf',
    'gateway.yaml:1:4 a: -.inf is not a number that JSON has\n' +
      '  hint: quote it if it is text: "-.inf"',
  ],
  [
    'numbers that would overflow',
    'a: 1e999',
    'gateway.yaml:1:4 a: 1e999 is not a number that JSON has\n' +
      '  hint: quote it if it is text: "1e999"',
  ],
  [
    'digits that would be rounded',
    'account: 12345678901234567890',
    'gateway.yaml:1:10 account: 12345678901234567890 is too large to be exact as a number\n' +
      '  hint: quote it if it is text: "12345678901234567890"',
  ],
  [
    'leading zeros that would be lost',
    'pin: 0070',
    'gateway.yaml:1:6 pin: 0070 is read as the number 70\n' +
      '  hint: quote it if it is text: "0070"',
  ],
  [
    'tabs as indentation',
    'a:\n\tb: 1',
    'gateway.yaml:2:1 not valid YAML: tabs are not allowed as indentation\n' +
      '  hint: indent with spaces',
  ],
  [
    'reserved characters',
    'a: `x`',
    'gateway.yaml:1:4 not valid YAML: plain value cannot start with reserved character `\n' +
      '  hint: quote the text',
  ],
  [
    'unquoted interpolation inside braces',
    'server: { port: ${PORT} }',
    'gateway.yaml:1:18 not valid YAML: unexpected flow-map-start at node end\n' +
      '  hint: inside { } and [ ], quote it: "${NAME}"',
  ],
  [
    'control characters',
    'a: b\u0007',
    'gateway.yaml:1:5 control character "\\u0007" in the text\n  hint: write an escape',
  ],
  ['a list at the top', '- a', 'gateway.yaml:1:1 expected a map of settings, got a list'],
  ['a scalar at the top', 'nothing', 'gateway.yaml:1:1 expected a map of settings, got text'],
  [
    'nothing at all',
    '# only a comment\n',
    'gateway.yaml:1:1 the config is empty\n  hint: begin with upstreams and routes',
  ],
]

describe('what readConfig refuses', () => {
  it.each(REFUSED)('%s', async (_what, text, problem) => {
    const read = await readText(text)
    expect(read.problems[0]?.severity).toBe('error')
    expect(printed(read)[0]).toBe(problem)
  })
})

describe('what readConfig accepts', () => {
  it('reads the core schema of YAML 1.2: yes, on and dates are text', async () => {
    const { tree, problems } = await readText(
      'a: yes\non: off\nc: 2026-01-02\nd: 12:30\ne: ~\nf: true\ng: 0x1F\nh: 1.5e3\ni: "007"\nj:\n',
    )
    expect(problems).toEqual([])
    expect(tree).toEqual({
      a: 'yes',
      on: 'off',
      c: '2026-01-02',
      d: '12:30',
      e: null,
      f: true,
      g: 31,
      h: 1500,
      i: '007',
      j: null,
    })
  })

  it('takes whole numbers for keys, as they are written', async () => {
    const { tree, problems } = await readText('429: retry\n"503": retry\n"": empty\n')
    expect(problems).toEqual([])
    expect(tree).toEqual({ '429': 'retry', '503': 'retry', '': 'empty' })
  })

  it('copies what an alias stands for, with the positions of its anchor', async () => {
    const { tree, positions, problems } = await readText('a: &x { k: [1] }\nb: *x\n')
    expect(problems).toEqual([])
    expect(tree).toEqual({ a: { k: [1] }, b: { k: [1] } })
    expect(tree['b']).not.toBe(tree['a'])
    expect(positions.locate(tree, ['b'])).toMatchObject({ line: 2, column: 4 })
    expect(positions.locate(tree, ['b', 'k', 0])).toMatchObject({ line: 1, column: 13 })
  })

  it('warns of an anchor on a map that nothing uses', async () => {
    const read = await readText('a: &x { b: 1 }\n')
    expect(printed(read)).toEqual(['gateway.yaml:1:4 warning: the anchor "&x" is never used'])
  })

  it('reads JSON, indented with tabs, byte-order mark and Windows line ends included', async () => {
    const { tree, positions, problems } = await readText(
      '\uFEFF{\r\n\t"a": {\r\n\t\t"b": "\\ud83d\\ude00\\/"\r\n\t}\r\n}\r\n',
    )
    expect(problems).toEqual([])
    expect(tree).toEqual({ a: { b: '😀/' } })
    expect(positions.locate(tree, ['a', 'b'], 'key')).toMatchObject({ line: 3, column: 3 })
  })

  it('accepts the tags of JSON types', async () => {
    const { tree, problems } = await readText('a: !!str 5\nb: !!int "5"\nc: !!seq [x]\n')
    expect(problems).toEqual([])
    expect(tree).toEqual({ a: '5', b: 5, c: ['x'] })
  })

  it('knows where the text of a | block begins', async () => {
    const { tree, positions } = await readText(
      'code: |\n  a\n  b\nlist:\n  - |-\n\n      x\n  - |2\n      y\nempty: |\nquoted: "x"\n',
    )
    expect(tree).toEqual({ code: 'a\nb\n', list: ['\nx', '  y\n'], empty: '', quoted: 'x' })
    expect(positions.of(tree, 'code')?.block).toMatchObject({ line: 2, column: 3 })
    expect(positions.of(tree['list'] as object, 0)?.block).toMatchObject({ line: 6, column: 7 })
    expect(positions.of(tree['list'] as object, 1)?.block).toBeUndefined()
    expect(positions.of(tree, 'empty')?.block).toBeUndefined()
    expect(positions.of(tree, 'quoted')?.block).toBeUndefined()
  })

  it('goes on after a problem, and tells all in the order of the file', async () => {
    const read = await readText('a: 007\nb: !x y\nc: ${NONE}\na: 2\nd: *e\n')
    expect(printed(read).map((line) => line.split(' ')[0])).toEqual([
      'gateway.yaml:1:4',
      'gateway.yaml:2:4',
      'gateway.yaml:3:4',
      'gateway.yaml:4:1',
      'gateway.yaml:5:4',
    ])
    expect(read.isComplete).toBe(true)
  })

  it('tells one problem of a line that is not YAML, not its echoes', async () => {
    const read = await readText('a: { b: ${C} }\nd: [`, @]\n')
    expect(read.problems.map(({ position }) => position.line)).toEqual([1, 2])
  })

  it('believes nothing of a file that does not parse', async () => {
    const { tree, isComplete } = await readText('a: 1\nb: [1\n')
    expect(tree).toEqual({})
    expect(isComplete).toBe(false)
  })
})
