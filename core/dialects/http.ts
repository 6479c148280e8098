import { formatEvent } from '../kit/sse.ts'
import { CREDENTIAL_HEADERS } from './credentials.ts'
import type { Dialect, PublicError } from './dialect.ts'
import { errorHeaders } from './errors.ts'

/** Any HTTP API: nothing is known of its paths, its tokens or the grammar of its streams. */
export const http: Dialect = {
  name: 'http',
  endpoints: [],
  requestIdHeader: 'x-request-id',
  credentialHeaders: CREDENTIAL_HEADERS,
  credentialQuery: [],
  authorize: (key) => ({ authorization: `Bearer ${key}` }),
  modelOf: () => undefined,
  isStreaming: () => false,
  renderError: (error) => ({
    status: error.status,
    headers: errorHeaders(error, 'x-request-id', 'application/problem+json'),
    body: problem(error),
  }),
  renderStreamError: (error) => formatEvent('error', problem(error)),
  usageMember: undefined,
  usageOf: () => undefined,
  usageReader: () => NO_USAGE,
}

/** RFC 9457. The type is `about:blank` as long as no page describes the codes. */
function problem({ status, code, title, detail, param, requestId }: PublicError): string {
  return JSON.stringify({ type: 'about:blank', title, status, detail, code, param, requestId })
}

/** Without a grammar no event can be missing: only the transport tells whether a stream was cut. */
const NO_USAGE = {
  readFrame: () => {},
  read: () => {},
  usage: () => undefined,
  deliveredBytes: () => 0,
  isComplete: () => true,
}
