import { describe, expect, it, onTestFinished } from 'vitest'
import { InlineScript } from '#core/sandbox/inline.ts'
import { HOSTILE } from './hostile.ts'
import { endsOf, MEMORY, outcomeOf } from './outcome.ts'
import { call, program } from './programs.ts'

const TEXT = call({ messages: [] }, { consumer: { id: 'a' } })

describe('inline, a hostile script', () => {
  // Those that only a kill stops would hold the gateway, and so may those that outgrow their memory before isolated-vm
  // looks: V8 gives such an isolate up together with the thread that it is on. That is why there is a process.
  const stoppable = HOSTILE.filter(
    ({ ends, isHeavy }) => ends !== 'killed' && ends !== 'memory' && isHeavy !== true,
  )

  it.each(stoppable)('$name: $ends', async (hostile) => {
    const script = new InlineScript(program(hostile.code, MEMORY))
    onTestFinished(() => script.close())
    await script.open()
    const [ends, said] = await outcomeOf(() => script.run(TEXT))
    expect(endsOf(hostile)).toContain(ends)
    if (ends === hostile.ends) expect(said).toContain(hostile.says ?? '')
    const [again] = await outcomeOf(() => script.run(TEXT))
    expect(endsOf(hostile)).toContain(again)
  })
})
