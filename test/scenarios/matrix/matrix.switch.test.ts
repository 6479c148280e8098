import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { LlmDialect } from '#core/dialects/dialect.ts'
import type { Call, Turn } from '../../support/replay/conversation.ts'
import { type Case, casesOf, MODELS } from './cases.ts'
import { CLIENTS } from './clients/index.ts'
import { DIALECTS, Lanes } from './lanes.ts'
import { named } from './run-cell.ts'

const lanes = new Lanes()

beforeAll(() => lanes.start())
afterAll(() => lanes.close())

function caseOf(upstream: LlmDialect): Case {
  return casesOf(upstream).find(({ name }) => name === 'reasoning over a tool call')!
}

const ways = DIALECTS.flatMap((from) =>
  DIALECTS.filter((to) => to !== from).flatMap((to) =>
    [false, true].map((stream) => ({ from, to, stream })),
  ),
)

// The thoughts of one provider's model are proven to this provider only, and the calls have ids of its own.
describe.each(CLIENTS)('a conversation of $name', (client) => {
  test.concurrent.each(ways)(
    'goes on with $to after $from, streamed: $stream',
    async ({ from, to, stream }) => {
      const [call, answer] = caseOf(from).answers
      const first = lanes.upstreams[from].expect([{ said: call! }])
      const second = lanes.upstreams[to].expect([{ said: answer! }], first.word)
      const ask = named(caseOf(from).ask, first.word)
      const manner = { url: lanes.url, stream }
      const begun = await client.ask(ask, { ...manner, model: MODELS[from].thinking })
      const [{ id, name }] = [...begun.heard.calls] as [Call]
      const turns: Turn[] = [{ role: 'tool', results: [{ id, name, output: 'it rains' }] }]
      const { heard } = await client.ask(
        { ...ask, turns },
        { ...manner, model: MODELS[to].thinking, history: begun.history },
      )
      expect(heard).toEqual({ ...heard, text: answer!.text, finish: 'stop' })
      const [{ asked }] = second.requests as [(typeof second.requests)[0]]
      expect(asked.turns).toMatchObject([
        ...ask.turns,
        { role: 'assistant', calls: call!.calls!.map(({ id: _id, ...rest }) => rest) },
        { role: 'tool', results: [{ name, output: 'it rains' }] },
      ])
    },
  )
})
