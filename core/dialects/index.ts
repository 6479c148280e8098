import { parsePathPattern } from '../kit/path-pattern.ts'
import { anthropic } from './anthropic.ts'
import type { ClientDialect, Dialect, Endpoint, WireDialect } from './dialect.ts'
import { gemini } from './gemini.ts'
import { http } from './http.ts'
import { openaiChat } from './openai-chat.ts'
import { openaiResponses } from './openai-responses.ts'

/** Every wire format, by its name in YAML. */
export const DIALECTS: Readonly<Record<ClientDialect, Dialect>> = {
  'openai-chat': openaiChat,
  'openai-responses': openaiResponses,
  anthropic,
  gemini,
  http,
}

/** A known endpoint that a request goes to. */
export interface KnownEndpoint {
  readonly dialect: ClientDialect
  readonly endpoint: Endpoint
  /** Values of `{name}` in the endpoint's path. */
  readonly params: Readonly<Record<string, string>>
}

/**
 * The known endpoint behind a normalised path. Where two APIs share one, such as `GET /v1/models`, a request header
 * (lower-case names) tells which client it is.
 */
export function endpointOf(
  method: string,
  path: string,
  headers: Readonly<Record<string, string | string[] | undefined>> = {},
): KnownEndpoint | undefined {
  const fits = ({ endpoint: { header } }: Candidate) => header === undefined || header in headers
  const literal = LITERALS.get(path)?.find((one) => one.endpoint.method === method && fits(one))
  if (literal !== undefined) return literal
  for (const candidate of PATTERNS) {
    if (candidate.endpoint.method !== method || !fits(candidate)) continue
    const params = candidate.pattern.match(path)
    if (params !== undefined) {
      return { dialect: candidate.dialect, endpoint: candidate.endpoint, params }
    }
  }
  return undefined
}

/**
 * The path to ask an upstream for, from its base URL's path and the client's. A version that the base carries takes
 * the place of the client's: as the last segment of any base, and anywhere in an OpenAI one, because OpenAI's SDKs
 * are given a versioned base (`/v1`, `/openai/v1`, `/v1beta/openai`, `/api/paas/v4`), and in a Gemini one, because Vertex
 * has it first (`/v1/projects/P/locations/L/publishers/google`). Other paths are put behind
 * the base as they are.
 */
export function upstreamPath(dialect: WireDialect, basePath: string, clientPath: string): string {
  const base = basePath.endsWith('/') ? basePath.slice(0, -1) : basePath
  if (base === '' || dialect === 'http') return base + clientPath
  const carriesVersion = (VERSION_ANYWHERE.has(dialect) ? VERSION : LAST_VERSION).test(base)
  return base + (carriesVersion ? clientPath.replace(LEADING_VERSION, '') : clientPath)
}

const VERSION_ANYWHERE: ReadonlySet<WireDialect> = new Set([
  'openai-chat',
  'openai-responses',
  'mistral',
  'gemini',
])
const VERSION = /(?:^|\/)v\d+(?:alpha|beta)?\d*(?:\/|$)/
const LAST_VERSION = /(?:^|\/)v\d+(?:alpha|beta)?\d*$/
const LEADING_VERSION = /^\/v\d+(?:alpha|beta)?\d*(?=\/|$)/

interface Candidate {
  readonly dialect: ClientDialect
  readonly endpoint: Endpoint
}

const NO_PARAMS: Readonly<Record<string, string>> = Object.freeze(
  Object.create(null) as Record<string, string>,
)

/** Those that ask for a header come first: the others would take every request. */
const CANDIDATES: readonly Candidate[] = Object.values(DIALECTS)
  .flatMap(({ name, endpoints }) => endpoints.map((endpoint) => ({ dialect: name, endpoint })))
  .sort((a, b) => Number(b.endpoint.header !== undefined) - Number(a.endpoint.header !== undefined))

/** Most requests go to a path without names: one look-up. */
const LITERALS: ReadonlyMap<string, readonly KnownEndpoint[]> = Map.groupBy(
  CANDIDATES.filter(({ endpoint }) => !isPattern(endpoint)).map((one) => ({
    ...one,
    params: NO_PARAMS,
  })),
  ({ endpoint }) => endpoint.path,
)

const PATTERNS = CANDIDATES.filter(({ endpoint }) => isPattern(endpoint)).map((candidate) => ({
  ...candidate,
  pattern: parsePathPattern(candidate.endpoint.path),
}))

function isPattern({ path }: Endpoint): boolean {
  return /[{*]/.test(path)
}
