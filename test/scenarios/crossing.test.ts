import { describe, expect, test } from 'vitest'
import type { LlmDialect } from '#core/dialects/dialect.ts'
import { ANSWERS, TEXT } from '../support/answers.ts'
import { startTestGateway } from '../support/gateway.ts'
import { startProvider } from '../support/providers.ts'
import { step } from '../support/step.ts'
import { type Seen, seenBy } from '../core/dialects/codecs/sdk-clients.ts'

const DIALECTS = Object.keys(ANSWERS) as LlmDialect[]
const pairs = DIALECTS.flatMap((client) =>
  DIALECTS.flatMap((upstream) => (client === upstream ? [] : [[client, upstream] as const])),
)

/** A gateway with one route for all SDKs, in front of one provider. */
async function gatewayTo(dialect: LlmDialect, url: string, more = '') {
  const usages: unknown[] = []
  const meter = step('meter', { done: ({ usage }) => void usages.push(usage) })
  const gateway = await startTestGateway(
    `
upstreams: { provider: { dialect: ${dialect}, url: "${url}", keys: [secret-key] } }
routes:
  - { id: llm, match: { api: llm }, pipeline: [meter], upstream: provider${more} }
`,
    { plugins: [meter] },
  )
  return { ...gateway, usages }
}

const seen: Seen = {
  text: TEXT.join(''),
  calls: [{ name: 'look', arguments: { city: 'Rome' } }],
  finish: 'tool',
  input: 100,
  output: 20,
  cached: 90,
}

describe.each(pairs)('a client of %s in front of %s', (client, dialect) => {
  test('gets the same answer whole, and usage is counted once', async () => {
    const provider = await startProvider(dialect)
    const { url, usages } = await gatewayTo(dialect, provider.url)
    expect(await seenBy(client, url, false)).toEqual(seen)
    await expect.poll(() => usages).toHaveLength(1)
    expect(usages[0]).toMatchObject({
      inputTokens: 100,
      outputTokens: 20,
      totalTokens: 120,
      cacheReadTokens: 90,
    })
  })

  test('gets the same answer as a stream, and usage is counted once', async () => {
    const provider = await startProvider(dialect)
    const { url, usages } = await gatewayTo(dialect, provider.url)
    const streamed = await seenBy(client, url, true)
    // A client of Chat Completions hears of usage only where it asks for it.
    const usage = client === 'openai-chat' ? { input: 0, output: 0, cached: 0 } : {}
    expect(streamed).toEqual({ ...seen, ...usage })
    await expect.poll(() => usages).toHaveLength(1)
    expect(usages[0]).toMatchObject({
      inputTokens: 100,
      outputTokens: 20,
      totalTokens: 120,
      cacheReadTokens: 90,
    })
  })
})
