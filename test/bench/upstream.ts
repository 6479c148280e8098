/**
 * The upstream of all scenarios, in a process of its own: a fixed answer per path, as cheap as node:http allows.
 * Prints its port. Events go out in bursts on a timer, so that every proxy gets the same rate.
 */
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { WebSocketServer } from 'ws'
import { EVENTS_PER_STREAM, STREAM_MARK } from './shapes.ts'

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
const event = Buffer.from(
  `data: ${JSON.stringify({ id: 'chatcmpl-1', object: 'chat.completion.chunk', created: 1, model: 'gpt-4o', choices: [{ index: 0, delta: { content: 'word '.repeat(8) }, finish_reason: null }] })}\n\n`,
)
const done = Buffer.from('data: [DONE]\n\n')

const server = createServer((req, res) => {
  let isStream = false
  req.on('data', (chunk: Buffer) => {
    isStream ||= chunk.includes(STREAM_MARK)
  })
  req.on('end', () => {
    if (isStream) return streamTo(res)
    res.writeHead(200, { 'content-type': 'application/json', 'content-length': answer.length })
    res.end(answer)
  })
})

function streamTo(res: ServerResponse): void {
  res.writeHead(200, { 'content-type': 'text/event-stream' })
  let left = EVENTS_PER_STREAM
  const timer = setInterval(() => {
    if (left-- > 0) return void res.write(event)
    clearInterval(timer)
    res.end(done)
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
