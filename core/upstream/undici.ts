/**
 * The parts of undici that the gateway is built on, by file: its index loads fetch, caches, mocks and proxies too,
 * which would take a quarter of the time of a start. package.json therefore allows patches of undici only.
 */
import { createRequire } from 'node:module'
import type * as Undici from 'undici'

const require = createRequire(import.meta.url)

/** One connection to one origin. */
export type Client = Undici.Client

/** What is taken from undici. */
export interface UndiciParts {
  readonly Client: typeof Undici.Client
  /** Makes the function that opens sockets, with or without TLS. */
  readonly buildConnector: typeof Undici.buildConnector
  /** What goes wrong, by class. */
  readonly errors: typeof Undici.errors
}

let loaded: UndiciParts | undefined

/** Loads undici when it is first needed: a gateway listens some 25 ms earlier, and the demo needs none of it. */
export function undici(): UndiciParts {
  loaded ??= {
    Client: require('undici/lib/dispatcher/client.js') as UndiciParts['Client'],
    buildConnector: require('undici/lib/core/connect.js') as UndiciParts['buildConnector'],
    errors: require('undici/lib/core/errors.js') as UndiciParts['errors'],
  }
  return loaded
}
