import { expect, it } from 'vitest'
import { canRunInline, InlineScript } from '#core/sandbox/inline.ts'
import { call, program } from './programs.ts'
it('x', async () => {
  expect(canRunInline()).toBe(true)
  const s = new InlineScript(program('vars.x = 1'))
  await s.open()
  console.log(s.run(call()))
  s.close()
})
