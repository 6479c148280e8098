/** What load and upstream agree on. */
export const EVENTS_PER_STREAM = 200
export const CONNECTIONS = 64
export const STREAMS = 50
export const SOCKETS = 64

/** By these bytes the upstream knows a request for a stream. */
export const STREAM_MARK = '"stream":true'

/** Chat completion requests of 1 KB. */
export const REQUEST_BODY = requestBody({})
export const STREAM_BODY = requestBody({ stream: true })

/** The same wish in the words of another API. */
export const MESSAGES_PATH = '/v1/messages'
export const MESSAGES_BODY = JSON.stringify({
  model: 'gpt-4o',
  max_tokens: 500,
  system: 'You are a helpful assistant.',
  messages: [{ role: 'user', content: 'y'.repeat(820) }],
  stream: true,
})

function requestBody(more: object): string {
  return JSON.stringify({
    model: 'gpt-4o',
    temperature: 0.7,
    max_tokens: 500,
    metadata: { internal: 'x', user: 'u-1' },
    messages: [
      { role: 'system', content: 'You are a helpful assistant.' },
      { role: 'user', content: 'y'.repeat(820) },
    ],
    ...more,
  })
}
