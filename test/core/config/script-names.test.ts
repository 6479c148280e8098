import { expect, it } from 'vitest'
import { fieldsNamed, isNamed } from '#core/config/script-names.ts'

const fields = (text: string, root = 'req') => {
  const named = fieldsNamed([text], root)
  return named && [...named]
}

it.each([
  ['const last = req.body.messages.at(-1)', ['body']],
  ['if (req.headers["x-a"] === req?.path) deny(400)', ['headers', 'path']],
  ['req\n  .query.a = 1', ['query']],
  ["set('req.body.max_tokens', 1); remove('req.headers.x')", ['body', 'headers']],
  ['const requests = { prereq: 1, $req: 2 }', []],
  ["store.set('n', 1); new Set([1]); seen.set(1, 2)", []],
  ['', []],
])('tells the fields of a root that %j names', (text, named) => {
  expect(fields(text)).toEqual(named)
})

it.each([
  'const { headers } = req',
  "req['hea' + 'ders'] = {}",
  'log(req)',
  'Object.keys({ ...req })',
  'const all = [req][0].headers',
  'r\\u0065q.body = 1',
  "$v['re' + 'q'].path = '/'",
  "arguments[2]['re' + 'q']",
  "const name = 'headers.x'; set('re' + `q.${name}`, 1)",
  'const put = set; put("r" + "eq.path", "/")',
  "[`req`].forEach((root) => remove(root + '.query'))",
  "set('req[path]', '/')",
  'for (const part of [req ]) part.path = 1',
])('cannot tell what %j reaches', (text) => {
  expect(fields(text)).toBeUndefined()
  expect(isNamed([text], 'req')).toBe(true)
})

it('tells whether texts may reach a root at all', () => {
  expect(isNamed(['vars.plan = 1'], 'vars')).toBe(true)
  expect(isNamed(['req.path = "/"', 'const a = vars'], 'vars')).toBe(true)
  expect(isNamed(['consider(ids)'], 'id')).toBe(false)
})
