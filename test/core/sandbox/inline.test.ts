import { expect, it, onTestFinished } from 'vitest'
import { asksForInline, canRunInline, InlineScript } from '#core/sandbox/inline.ts'
import { call, program } from './programs.ts'

async function opened(code: string): Promise<InlineScript> {
  const script = new InlineScript(program(code))
  onTestFinished(() => script.close())
  await script.open()
  return script
}

/** A promise in any case: where others keep it from the processor, it is tried again. */
async function looped(script: InlineScript): Promise<string> {
  return script.run(call({ loop: true }))
}

it('runs at once, without a promise', async () => {
  const script = await opened('vars.n = req.body.n')
  expect(script.run(call({ n: 7 }))).toContain('"vars":{"n":7}')
})

it('makes a new isolate after a failure, and the next call waits for it', async () => {
  const script = await opened('if (req.body.loop) for (;;);')
  await expect(looped(script)).rejects.toThrow('it ran out of time')
  expect(await script.run(call({ n: 1 }))).toBe('')
})

it('is closed for good', async () => {
  const script = await opened('if (req.body.loop) for (;;);')
  await expect(looped(script)).rejects.toThrow('it ran out of time')
  script.close()
  await expect(script.run(call())).rejects.toThrow('the sandbox was closed')
})

it('is asked for by a step that says so', () => {
  expect(asksForInline({ sandbox: 'inline', code: {} })).toBe(true)
  expect(asksForInline({ sandbox: 'process' })).toBe(false)
  // The tests' own processes are started as the command starts itself.
  expect(canRunInline()).toBe(true)
})

it('hears nothing of what a script left to run later, neither in its call nor in the next', async () => {
  const script = await opened(
    `log(store.get('k') ?? 'none')
     Promise.resolve().then(() => { store.set('k', req.body.n); log('late') })`,
  )
  for (const n of [1, 2]) {
    expect(script.run(call({ n }, { store: { k: null } }))).toBe('{"lines":["none"]}')
  }
})

it('hands out tools that no call can mark for the next', async () => {
  const script = await opened(`
    for (const tool of [deny, upstream, set, remove, drop, reply, close, log, hash, store, store.get])
      if (!Object.isFrozen(tool)) throw new Error(String(tool))
    store.get.seen = 1`)
  expect(script.run(call())).toContain('object is not extensible')
})

it('sees what it reaches without naming it', async () => {
  const script = await opened(
    "const name = 'va' + 'rs.n'; set(name, 1); set('re' + 'q.path', '/x')",
  )
  expect(script.run(call())).toBe('{"vars":{"n":1},"path":"/x"}')
})

it.each([
  ['a value', 'req.body.list[2].deep = 2', '{"list":[1,"two",{"deep":2}],"on":true}'],
  ['an entry more', 'req.body.list.push(null)', '{"list":[1,"two",{"deep":1},null],"on":true}'],
  ['an entry less', 'req.body.list.pop()', '{"list":[1,"two"],"on":true}'],
  ['a key less', 'delete req.body.on', '{"list":[1,"two",{"deep":1}]}'],
  [
    'another order',
    'delete req.body.on; req.body.on = req.body.list; delete req.body.list; req.body.list = 1',
    undefined,
  ],
  ['another body', 'req.body = [1]', '[1]'],
  ['the same by another object', 'req.body.list[2] = { deep: 1 }', ''],
  ['nothing', 'req.body.list.map((one) => one)', ''],
])('tells that %s was changed in a body', async (_what, code, body) => {
  const script = await opened(code)
  const result = script.run(call({ list: [1, 'two', { deep: 1 }], on: true })) as string
  expect(result.split('\n').at(-1)).toBe(body ?? '{"on":[1,"two",{"deep":1}],"list":1}')
})

it('finds a change in what is too large or too deep to be noted', async () => {
  const script = await opened(
    'const { list } = req.body; list[list.length - 1] = undefined; list[0] = 7',
  )
  const large = Array.from({ length: 20_000 }, () => 1)
  expect(script.run(call({ list: large }))).toContain('{"list":[7,1,1,')
  let deep: unknown = 1
  for (let depth = 0; depth < 200; depth++) deep = [deep]
  const inside = await opened(
    'let at = req.body; while (Array.isArray(at[0])) at = at[0]; at[0] = 2',
  )
  expect(inside.run(call([deep]))).toContain('[2]')
})
