/** Whose fault it is, for the log and for who gets called at night. */
export type ErrorSource = 'client' | 'upstream' | 'gateway' | 'config'

/** What the catalogue knows of a code. */
export interface ErrorEntry {
  readonly status: number
  readonly source: ErrorSource
  /** Constant, to be shown to the client. */
  readonly title: string
}

/** Every code that the gateway answers with. Released codes keep their meaning. */
export const ERRORS = {
  BAD_REQUEST: { status: 400, source: 'client', title: 'The request is malformed' },
  INVALID_JSON: { status: 400, source: 'client', title: 'The body is not valid JSON' },
  SCHEMA_INVALID: { status: 400, source: 'client', title: 'The body does not fit its schema' },
  UNSUPPORTED_PARAMETER: {
    status: 400,
    source: 'client',
    title: 'The upstream cannot be asked for this',
  },
  UNAUTHENTICATED: { status: 401, source: 'client', title: 'No valid credential was presented' },
  DENIED: { status: 403, source: 'client', title: 'The request was denied' },
  ROUTE_NOT_FOUND: { status: 404, source: 'client', title: 'No route matches the request' },
  MODEL_NOT_FOUND: { status: 404, source: 'client', title: 'No such model is served here' },
  METHOD_NOT_ALLOWED: { status: 405, source: 'client', title: 'The method is not allowed here' },
  REQUEST_TIMEOUT: { status: 408, source: 'client', title: 'The request took too long to arrive' },
  BODY_TOO_LARGE: { status: 413, source: 'client', title: 'The body is too large' },
  URL_TOO_LONG: { status: 414, source: 'client', title: 'The URL is too long' },
  UNSUPPORTED_ENCODING: {
    status: 415,
    source: 'client',
    title: 'The body is encoded in a way that cannot be read',
  },
  UPGRADE_REQUIRED: { status: 426, source: 'client', title: 'This route speaks WebSocket' },
  RATE_LIMITED: { status: 429, source: 'client', title: 'Too many requests' },
  QUOTA_EXCEEDED: { status: 429, source: 'client', title: 'The quota is used up' },
  HEADERS_TOO_LARGE: { status: 431, source: 'client', title: 'The header fields are too large' },
  CLIENT_CLOSED: { status: 499, source: 'client', title: 'The client went away' },
  INTERNAL: { status: 500, source: 'gateway', title: 'Something in the gateway broke' },
  PLUGIN_FAILED: { status: 500, source: 'gateway', title: 'A step of the pipeline broke' },
  SCRIPT_FAILED: { status: 500, source: 'config', title: 'A script of the pipeline failed' },
  SCRIPT_TIMEOUT: { status: 500, source: 'config', title: 'A script took too long' },
  DIALECT_UNSUPPORTED: {
    status: 501,
    source: 'config',
    title: 'The upstream does not speak this dialect',
  },
  UPSTREAM_UNREACHABLE: {
    status: 502,
    source: 'upstream',
    title: 'The upstream cannot be reached',
  },
  UPSTREAM_CUT: { status: 502, source: 'upstream', title: 'The upstream broke off its answer' },
  UPSTREAM_PROTOCOL: {
    status: 502,
    source: 'upstream',
    title: 'The upstream answered in a way that cannot be passed on',
  },
  UPSTREAM_CREDENTIALS: {
    status: 502,
    source: 'upstream',
    title: 'No credential for the upstream could be had',
  },
  UPSTREAM_REFUSED: { status: 502, source: 'config', title: 'The upstream address is not allowed' },
  UPSTREAM_UNDEFINED: {
    status: 502,
    source: 'config',
    title: 'The routing rule chose no upstream',
  },
  ANSWER_TOO_LARGE: {
    status: 502,
    source: 'upstream',
    title: 'The answer is too large to be read as a whole',
  },
  OVERLOADED: { status: 503, source: 'gateway', title: 'The gateway is overloaded' },
  STORE_UNAVAILABLE: {
    status: 503,
    source: 'gateway',
    title: 'The store that the gateway counts in cannot be reached',
  },
  SHUTTING_DOWN: { status: 503, source: 'gateway', title: 'The gateway is shutting down' },
  AUTH_UNAVAILABLE: {
    status: 503,
    source: 'gateway',
    title: 'Credentials cannot be checked at the moment',
  },
  EXCHANGE_TIMEOUT: {
    status: 504,
    source: 'gateway',
    title: 'The request took longer than its route allows',
  },
  UPSTREAM_TIMEOUT: {
    status: 504,
    source: 'upstream',
    title: 'The upstream did not answer in time',
  },
} as const satisfies Record<string, ErrorEntry>

/** A key of the catalogue. */
export type ErrorCode = keyof typeof ERRORS

/** What may be said beside the code. */
export interface ErrorOptions {
  /** Takes the place of the catalogue's status, where an operator has set one. */
  readonly status?: number
  /** Sent with the answer, names in lower case. */
  readonly headers?: Readonly<Record<string, string>>
  /** The field at fault, where there is one: `messages[0].content`. */
  readonly param?: string
  /** For the log only. */
  readonly cause?: unknown
}

/**
 * A step broke in a way that has a name of its own. What comes of it is up to the step's `onError`; the message is for
 * the log.
 */
export class StepFailure extends Error {
  override readonly name = 'StepFailure'
  readonly code: 'SCRIPT_FAILED' | 'SCRIPT_TIMEOUT'

  constructor(code: StepFailure['code'], message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

/**
 * An expected failure: the client's fault, the upstream's, or a limit. `detail` is written to be shown to the
 * client. Anything else that is thrown is a bug, and answered with INTERNAL.
 */
export class GatewayError extends Error {
  override readonly name = 'GatewayError'
  readonly code: ErrorCode
  readonly status: number
  readonly source: ErrorSource
  readonly title: string
  readonly headers: Readonly<Record<string, string>>
  readonly param: string | undefined

  constructor(
    code: ErrorCode,
    detail: string,
    { status, headers, param, cause }: ErrorOptions = {},
  ) {
    super(detail, { cause })
    const entry = ERRORS[code]
    this.code = code
    this.status = status ?? entry.status
    this.source = entry.source
    this.title = entry.title
    this.headers = headers ?? {}
    this.param = param
  }
}
