import type { Ask, Said, Tokens, Turn } from '../../support/replay/conversation.ts'
import type { Delivery } from '../../support/replay/upstream.ts'
import { type Case, MODELS } from './cases.ts'
import type { Client, Fault, Heard, Reply } from './clients/client.ts'
import { type Cell, type Difference, DIFFERENCES } from './differences.ts'
import type { Lanes, Recorded } from './lanes.ts'

/** All that can be known of a case that was asked through the gateway. */
export interface Outcome {
  readonly heard?: readonly Heard[]
  /** What reached the upstream, after it had found nothing to refuse. */
  readonly asked: readonly Ask[]
  /** What the gateway has recorded. */
  readonly usage?: readonly Tokens[]
  readonly ends?: readonly string[]
  readonly fault?: Fault
}

/** Asks a case through the gateway: what was found, and what should have been. */
export async function runCell(
  lanes: Lanes,
  client: Client,
  cell: Cell,
  one: Case,
  delivery: Delivery = {},
): Promise<{ found: Outcome; meant: Outcome }> {
  const { word, requests } = lanes.upstreams[cell.upstream].expect(
    one.answers.map((said) => ({ said, delivery })),
  )
  const differences = DIFFERENCES.filter((difference) => difference.in(cell))
  const models = MODELS[cell.upstream]
  const model = one.thinks === true ? models.thinking : models.plain
  const manner = { url: lanes.url, model, stream: cell.stream }
  const ask = named(one.ask, word)
  const refused = differences.find((difference) => difference.refused !== undefined)?.refused
  if (refused !== undefined) {
    const error: unknown = await client.ask(ask, manner).catch((cause: unknown) => cause)
    const fault = String(error).includes(refused) ? client.faultOf(error) : { unexpected: error }
    return { found: { fault, asked: requests.map(({ asked }) => asked) }, meant: REFUSED }
  }
  const replies: Reply[] = [await client.ask(ask, manner)]
  if (one.outputs !== undefined) {
    const { heard, history } = replies[0]!
    const results = heard.calls.map(({ id, name }, at) => ({ id, name, output: one.outputs![at]! }))
    const turns: Turn[] = [{ role: 'tool', results }]
    replies.push(await client.ask({ ...ask, turns }, { ...manner, history }))
  }
  const records = await lanes.recordsOf(word, requests.length)
  return {
    found: {
      heard: replies.map(({ heard }) => heard),
      asked: requests.map(({ asked }) => asked),
      usage: records.map(tokensOf),
      ends: records.map(({ outcome }) => outcome.end),
    },
    meant: {
      heard: one.answers.map((said) => heardOf(said, differences)),
      asked: askedOf(one, ask, differences),
      usage: one.answers.map(({ usage }) => usage),
      ends: one.answers.map(() => 'completed'),
    },
  }
}

const REFUSED: Outcome = { fault: 'badRequest', asked: [] }

/** The ask with the script's word in its last prompt. */
export function named(ask: Ask, word: string): Ask {
  const turns = ask.turns.map((turn, at) =>
    at === ask.turns.length - 1 && turn.role === 'user'
      ? { ...turn, text: turn.text + word }
      : turn,
  )
  return { ...ask, turns }
}

function heardOf(said: Said, differences: readonly Difference[]): Heard {
  const heard: Heard = {
    text: said.text ?? '',
    thought: said.thought?.text ?? '',
    calls: said.calls ?? [],
    finish: said.finish,
    usage: said.usage,
  }
  return differences.reduce((told, { heard: change }) => change?.(told, said) ?? told, heard)
}

/** What reaches the upstream: each request with the conversation so far. */
function askedOf(one: Case, ask: Ask, differences: readonly Difference[]): Ask[] {
  const asks = [ask]
  if (one.outputs !== undefined) {
    const { text, thought, calls = [] } = one.answers[0]!
    const results = calls.map(({ id, name }, at) => ({ id, name, output: one.outputs![at]! }))
    const said = {
      ...(text === undefined ? {} : { text }),
      ...(thought === undefined ? {} : { thought }),
      calls,
    }
    const turns: Turn[] = [...ask.turns, { role: 'assistant', ...said }, { role: 'tool', results }]
    asks.push({ ...ask, turns })
  }
  return asks.map((each) =>
    differences.reduce((told, { asked: change }) => change?.(told) ?? told, each),
  )
}

function tokensOf({ usage }: Recorded): Tokens {
  return {
    input: usage?.inputTokens ?? -1,
    output: usage?.outputTokens ?? -1,
    cached: usage?.cacheReadTokens ?? 0,
    reasoning: usage?.reasoningTokens ?? 0,
  }
}
