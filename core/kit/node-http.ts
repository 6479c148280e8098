import type * as Http from 'node:http'

/**
 * `node:http` for code that runs when the gateway starts. An `import` of a built-in module reads all that it exports,
 * and here that loads Node's own copy of undici, for `http.WebSocket`: 25 ms and 10 MB that nobody uses.
 */
const http = process.getBuiltinModule('node:http')

export const { createServer, request, STATUS_CODES } = http

export const { ServerResponse } = http
/** An instance of the class above. */
export type ServerResponse = Http.ServerResponse
export type { IncomingMessage, Server } from 'node:http'
