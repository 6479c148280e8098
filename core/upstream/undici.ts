/**
 * The parts of undici that the gateway is built on, by file: its index loads fetch, caches, mocks and proxies too,
 * which would take a quarter of the time of a start. package.json therefore allows patches of undici only.
 */
import { createRequire } from 'node:module'
import type * as Undici from 'undici'

const require = createRequire(import.meta.url)

/** One connection to one origin. */
export const Client = require('undici/lib/dispatcher/client.js') as typeof Undici.Client
export type Client = Undici.Client

/** Makes the function that opens sockets, with or without TLS. */
export const buildConnector = require('undici/lib/core/connect.js') as typeof Undici.buildConnector

/** What goes wrong, by class. */
export const errors = require('undici/lib/core/errors.js') as typeof Undici.errors
