import { openTestGateway, type TestGateway } from '../../support/gateway.ts'
import type { LlmDialect } from '#core/dialects/dialect.ts'
import { definePlugin, type Outcome, type ExchangeView } from '#core/sdk.ts'
import { ReplayUpstream } from '../../support/replay/upstream.ts'
import { MODELS } from './cases.ts'
import type { Client } from './clients/client.ts'
import { CLIENTS, OWN_CLIENTS } from './clients/index.ts'

/** What the gateway has recorded of an exchange when it was over. */
export interface Recorded {
  readonly usage: ExchangeView['usage']
  readonly outcome: Outcome
}

/** The upstreams of the matrix. */
export const DIALECTS = Object.keys(MODELS) as LlmDialect[]

/** Each client in front of each upstream. */
export const COLUMNS = columnsOf(CLIENTS)

/** The same for what depends on the dialects, rather than on who reads them. */
export const OWN_COLUMNS = columnsOf(OWN_CLIENTS)

function columnsOf(clients: readonly Client[]) {
  return clients.flatMap((client) =>
    DIALECTS.map((upstream) => ({ client, upstream, name: client.name })),
  )
}

/** A gateway in front of one replay upstream for each dialect; the model decides which. */
export class Lanes {
  readonly upstreams = Object.fromEntries(
    DIALECTS.map((dialect) => [dialect, new ReplayUpstream(dialect)]),
  ) as { [D in LlmDialect]: ReplayUpstream }
  readonly #records = new Map<string, Recorded[]>()
  readonly #waiting = new Map<string, { count: number; resolve: () => void }>()
  #gateway: TestGateway | undefined

  async start(): Promise<void> {
    const entries = await Promise.all(DIALECTS.map((dialect) => this.#upstream(dialect)))
    this.#gateway = await openTestGateway(
      `
# A machine that is busy with other tests must not turn these away.
server: { overload: { eventLoopDelay: 5m } }
upstreams:
${entries.join('\n')}
routes:
  - { id: llm, match: { api: llm }, pipeline: [meter], upstream: { byModel: [] } }
`,
      { plugins: [this.#meter()] },
    )
  }

  async #upstream(dialect: LlmDialect): Promise<string> {
    const url = await this.upstreams[dialect].start()
    const base = dialect.startsWith('openai-') ? `${url}/v1` : url
    const models = [...new Set(Object.values(MODELS[dialect]))].join(', ')
    return `  ${dialect}: { dialect: ${dialect}, url: "${base}", keys: [secret], models: [${models}] }`
  }

  get url(): string {
    return this.#gateway!.url
  }

  /** Closes everything; fails where an exchange was not recorded exactly once. */
  async close(): Promise<void> {
    await this.#gateway?.end()
    const scripts = DIALECTS.flatMap((dialect) => this.upstreams[dialect].scripts)
    for (const [word, parts] of Map.groupBy(scripts, (script) => script.word)) {
      const recorded = this.#records.get(word)?.length ?? 0
      // What the gateway refuses is one exchange too.
      const exchanges = Math.max(parts.flatMap(({ requests }) => requests).length, 1)
      if (recorded !== exchanges) {
        throw new Error(`${word}: ${exchanges} exchanges, ${recorded} records of usage`)
      }
    }
    await Promise.all(DIALECTS.map((dialect) => this.upstreams[dialect].close()))
  }

  /** The records of a script's exchanges, once there are `count`. */
  async recordsOf(word: string, count: number): Promise<readonly Recorded[]> {
    if ((this.#records.get(word)?.length ?? 0) < count) {
      await new Promise<void>((resolve) => this.#waiting.set(word, { count, resolve }))
    }
    return this.#records.get(word)!
  }

  /** Remembers how each exchange ended, by the word in its prompt. */
  #meter() {
    return definePlugin({
      name: 'meter',
      stage: 'observe',
      summary: 'Keeps the usage of each exchange.',
      schema: { type: 'object', additionalProperties: false, properties: {} },
      reads: ['request.body'],
      setup: () => ({
        done: ({ req, usage }, outcome) => {
          const word = /case-\d+-[a-z-]+[a-z]/.exec(JSON.stringify(req.body))?.[0] ?? ''
          const records = this.#records.get(word) ?? []
          records.push({ usage, outcome })
          this.#records.set(word, records)
          const waiting = this.#waiting.get(word)
          if (waiting !== undefined && records.length >= waiting.count) waiting.resolve()
        },
      }),
    })
  }
}
