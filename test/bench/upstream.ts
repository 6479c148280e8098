/**
 * The upstream of all scenarios, in a process of its own: a fixed answer per path, as cheap as node:http allows.
 * Prints its port. Events go out in bursts on a timer, so that every proxy gets the same rate.
 */
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { WebSocketServer } from 'ws'
import type { JsonObject } from '#core/kit/json.ts'
import { EVENTS_PER_STREAM, MESSAGES_PATH, STREAM_MARK } from './shapes.ts'

const answer = Buffer.from(
  JSON.stringify({
    id: 'chatcmpl-1',
    object: 'chat.completion',
    created: 1,
    model: 'gpt-4o',
    choices: [
      {
        index: 0,
        message: { role: 'assistant', content: 'x'.repeat(760) },
        finish_reason: 'stop',
      },
    ],
    usage: { prompt_tokens: 100, completion_tokens: 200, total_tokens: 300 },
  }),
)
const words = 'word '.repeat(8)
const chat = {
  first: Buffer.alloc(0),
  event: Buffer.from(chunk({ content: words }, null)),
  last: Buffer.from(`${chunk({}, 'stop')}data: [DONE]\n\n`),
}
const messages = {
  first: Buffer.from(
    named({
      type: 'message_start',
      message: {
        id: 'msg_1',
        type: 'message',
        role: 'assistant',
        model: 'gpt-4o',
        content: [],
        usage: { input_tokens: 1, output_tokens: 1 },
      },
    }) +
      named({ type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } }),
  ),
  event: Buffer.from(
    named({ type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: words } }),
  ),
  last: Buffer.from(
    named({ type: 'content_block_stop', index: 0 }) +
      named({
        type: 'message_delta',
        delta: { stop_reason: 'end_turn', stop_sequence: null },
        usage: { output_tokens: 200 },
      }) +
      named({ type: 'message_stop' }),
  ),
}

function chunk(delta: object, reason: string | null): string {
  const choices = [{ index: 0, delta, finish_reason: reason }]
  const head = { id: 'chatcmpl-1', object: 'chat.completion.chunk', created: 1, model: 'gpt-4o' }
  return `data: ${JSON.stringify({ ...head, choices })}\n\n`
}

function named(event: JsonObject & { type: string }): string {
  return `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`
}

const server = createServer((req, res) => {
  let isStream = false
  req.on('data', (chunk: Buffer) => {
    isStream ||= chunk.includes(STREAM_MARK)
  })
  req.on('end', () => {
    if (isStream) return streamTo(res, req.url === MESSAGES_PATH ? messages : chat)
    res.writeHead(200, { 'content-type': 'application/json', 'content-length': answer.length })
    res.end(answer)
  })
})

function streamTo(res: ServerResponse, { first, event, last }: typeof chat): void {
  res.writeHead(200, { 'content-type': 'text/event-stream' })
  if (first.length > 0) res.write(first)
  let left = EVENTS_PER_STREAM
  const timer = setInterval(() => {
    if (left-- > 0) return void res.write(event)
    clearInterval(timer)
    res.end(last)
  }, 3)
  res.on('close', () => clearInterval(timer))
}

const sockets = new WebSocketServer({ server, perMessageDeflate: false })
sockets.on('connection', (socket) => {
  socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }))
})
server.keepAliveTimeout = 60_000
server.listen(0, '127.0.0.1', () => {
  process.stdout.write(`${(server.address() as AddressInfo).port}\n`)
})
