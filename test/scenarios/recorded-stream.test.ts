import { expect, test } from 'vitest'
import { DIALECTS } from '#core/dialects/index.ts'
import { hasRecordings, type Recording, recordings } from '../core/dialects/recordings.ts'
import { startTestGateway } from '../support/gateway.ts'
import { bodyOf, startUpstream } from '../support/upstream.ts'

/** The path of each API at which a stream is asked for. */
const PATHS = {
  'openai-chat': '/v1/chat/completions',
  'openai-responses': '/v1/responses',
  anthropic: '/v1/messages',
  gemini: '/v1beta/models/m:streamGenerateContent?alt=sse',
}

/** A recorded stream of moderate length, with the framing of its provider put back. */
function streamOf({ events, dialect }: Recording): Buffer {
  const named = dialect === 'anthropic' || dialect === 'openai-responses'
  const frames = events!.map((event) => {
    const name = named ? `event: ${String(event['type'])}\n` : ''
    return `${name}data: ${JSON.stringify(event)}\n\n`
  })
  return Buffer.from(frames.join('') + (dialect === 'openai-chat' ? 'data: [DONE]\n\n' : ''))
}

const chosen = Object.keys(PATHS).flatMap((dialect) => {
  const streams = recordings().filter((one) => one.dialect === dialect && one.events?.length)
  const bySize = streams.toSorted((a, b) => streamOf(a).length - streamOf(b).length)
  return bySize.slice(0, 1)
})

test.skipIf(hasRecordings)('the recordings are not there, so no stream of them is cut', () => {
  expect(hasRecordings).toBe(false)
})

test.each(chosen)(
  'the recorded stream $name reaches the client byte for byte, cut at every byte',
  { timeout: 60_000 },
  async (recording) => {
    const bytes = streamOf(recording)
    const upstream = await startUpstream(async (req, res) => {
      const { cut } = JSON.parse((await bodyOf(req)).toString()) as { cut: number }
      res.writeHead(200, { 'content-type': 'text/event-stream' })
      res.write(bytes.subarray(0, cut))
      setImmediate(() => res.end(bytes.subarray(cut)))
    })
    const usages: unknown[] = []
    const { url } = await startTestGateway(
      `
upstreams: { model: { dialect: ${recording.dialect}, url: "${upstream.url}" } }
routes:
  - { id: llm, match: { api: ${recording.dialect} }, pipeline: [meter], upstream: model }
`,
      {
        plugins: [
          {
            name: 'meter',
            stage: 'observe',
            summary: 'Keeps the usage of each exchange.',
            schema: { type: 'object', additionalProperties: false, properties: {} },
            setup: () => ({ done: ({ usage }) => void usages.push(usage) }),
          },
        ],
      },
    )
    async function ask(cut: number): Promise<void> {
      const answer = await fetch(url + PATHS[recording.dialect], {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ cut, stream: true }),
      })
      const received = Buffer.from(await answer.arrayBuffer())
      expect(received.equals(bytes), `cut at ${cut}`).toBe(true)
    }
    const cuts = Array.from({ length: bytes.length - 1 }, (_, index) => index + 1)
    for (let at = 0; at < cuts.length; at += 32) await Promise.all(cuts.slice(at, at + 32).map(ask))

    const reader = DIALECTS[recording.dialect].usageReader()
    for (const event of recording.events!) reader.read(event)
    await expect.poll(() => usages.length).toBe(cuts.length)
    expect(new Set(usages.map((usage) => JSON.stringify(usage)))).toEqual(
      new Set([JSON.stringify(reader.usage())]),
    )
  },
)
