import { expect, it, onTestFinished } from 'vitest'
import { asksForInline, canRunInline, InlineScript } from '#core/sandbox/inline.ts'
import { call, program } from './programs.ts'

async function opened(code: string): Promise<InlineScript> {
  const script = new InlineScript(program(code))
  onTestFinished(() => script.close())
  await script.open()
  return script
}

it('runs at once, without a promise', async () => {
  const script = await opened('vars.n = req.body.n')
  expect(script.run(call({ n: 7 }))).toContain('"vars":{"n":7}')
})

it('makes a new isolate after a failure, and the next call waits for it', async () => {
  const script = await opened('if (req.body.loop) for (;;);')
  expect(() => script.run(call({ loop: true }))).toThrow('it ran out of time')
  expect(await script.run(call())).toContain('"lines":[]')
})

it('is closed for good', async () => {
  const script = await opened('if (req.body.loop) for (;;);')
  expect(() => script.run(call({ loop: true }))).toThrow('it ran out of time')
  script.close()
  await expect(script.run(call())).rejects.toThrow('the sandbox was closed')
})

it('is asked for by a step that says so', () => {
  expect(asksForInline({ sandbox: 'inline', code: {} })).toBe(true)
  expect(asksForInline({ sandbox: 'process' })).toBe(false)
  // The tests' own processes are started as the command starts itself.
  expect(canRunInline()).toBe(true)
})
