/** What load and upstream agree on. */
export const EVENTS_PER_STREAM = 200
export const CONNECTIONS = 64
export const STREAMS = 50
export const SOCKETS = 64

/** A chat completion request of 1 KB. */
export const REQUEST_BODY = JSON.stringify({
  model: 'gpt-4o',
  temperature: 0.7,
  max_tokens: 500,
  metadata: { internal: 'x', user: 'u-1' },
  messages: [
    { role: 'system', content: 'You are a helpful assistant.' },
    { role: 'user', content: 'y'.repeat(820) },
  ],
})
