import type { UpstreamDialect } from '../dialects/dialect.ts'
import type { Capabilities } from '../dialects/capabilities.ts'
import { capabilityRows } from '../dialects/capabilities-schema.ts'
import type { JsonObject } from '../kit/json.ts'
import { Secret } from '../kit/secret.ts'
import { fingerprint } from './fingerprint.ts'
import type { GATEWAY } from './gateway-schema.ts'
import type { EndpointConfig, UpstreamConfig } from './model.ts'
import type { ProblemList } from './problem-list.ts'
import type { Infer } from './schema.ts'
import type { ConfigTree, Segments } from './tree.ts'
import { buildAuth } from './upstream-auth.ts'
import { SECRET_HINT, SECRET_WRITTEN } from './wording.ts'

type Options = Infer<typeof GATEWAY.properties.upstreams.additionalProperties>

/** Header fields whose values are credentials. */
const CREDENTIAL_HEADERS = new Set([
  'authorization',
  'proxy-authorization',
  'cookie',
  'x-api-key',
  'api-key',
  'x-goog-api-key',
  'x-auth-token',
])

/** Header fields that the connection itself sets. */
const FRAMING_HEADERS = new Set([
  'connection',
  'content-length',
  'host',
  'keep-alive',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

/**
 * Checks what the schema cannot say of an upstream, and gives it its form. `printed` is changed: header fields that
 * are credentials are masked in it.
 */
export function buildUpstream(
  name: string,
  options: Options,
  printed: JsonObject,
  source: ConfigTree,
  problems: ProblemList,
): UpstreamConfig {
  const at: Segments = ['upstreams', name]
  const dialects = asList<UpstreamDialect>(options.dialect)
  const endpoints = buildEndpoints(options, dialects, at, problems)
  const headers = buildHeaders(options.headers, printed, at, source, problems)
  for (const [index, key] of options.keys.entries()) {
    if (isHeaderValue(key.reveal())) continue
    const message = 'a key holds a character that no header field can carry'
    problems.add([...at, 'keys', index], { message, hint: 'is there a line break in it?' })
  }
  checkApiVersion(options, dialects, at, problems)
  const auth = buildAuth(options, endpoints, at, problems)
  const { apiVersion, timeouts, maxConnections, forwardCredentials, demo } = options
  return Object.freeze({
    name,
    position: problems.locate(at, 'key'),
    dialects,
    endpoints,
    keys: options.keys.filter((key) => key.reveal() !== ''),
    auth,
    apiVersion,
    headers,
    forwardCredentials,
    timeouts: {
      connectMs: timeouts.connect,
      firstByteMs: timeouts.firstByte,
      idleMs: timeouts.idle,
      totalMs: timeouts.total,
    },
    maxConnections,
    models: buildModels(options.models),
    capabilities: capabilityRows(
      options.capabilities as Readonly<Record<string, Partial<Capabilities>>>,
    ),
    demo,
    fingerprint: fingerprint([name, printed]),
  })
}

function buildEndpoints(
  options: Options,
  dialects: readonly UpstreamDialect[],
  at: Segments,
  problems: ProblemList,
): readonly EndpointConfig[] {
  const { url, endpoints } = options
  if (dialects.includes('demo')) {
    if (dialects.length > 1) {
      const message = 'demo answers in every dialect and stands by itself'
      problems.add([...at, 'dialect'], { message })
    }
    for (const key of ['url', 'endpoints'] as const) {
      if (options[key] === undefined) continue
      const message = 'an upstream of the dialect demo answers by itself and goes nowhere'
      problems.add([...at, key], { message, hint: 'name the dialect of the service', side: 'key' })
    }
    return []
  }
  if (url !== undefined && endpoints !== undefined) {
    const message = 'url and endpoints say the same thing'
    problems.add([...at, 'url'], { message, hint: 'leave one of them out', side: 'key' })
  }
  if (url === undefined && endpoints === undefined) {
    problems.add(at, { message: 'missing option "url"', hint: urlHint(dialects) })
  }
  if (endpoints === undefined) {
    return url === undefined ? [] : [endpoint(url, 1, [...at, 'url'], problems)]
  }
  if (endpoints.every(({ weight }) => weight === 0)) {
    const message = 'every endpoint has the weight 0, so none would be used'
    problems.add([...at, 'endpoints'], { message })
  }
  return endpoints.map(({ url, weight }, index) =>
    endpoint(url, weight, [...at, 'endpoints', index, 'url'], problems),
  )
}

/** What the base URL of an upstream looks like, by its dialect. */
const URL_EXAMPLES: Readonly<Partial<Record<UpstreamDialect, string>>> = {
  anthropic: 'https://api.anthropic.com',
  'azure-openai': 'https://NAME.openai.azure.com',
  bedrock: 'https://bedrock-runtime.us-east-1.amazonaws.com',
  cohere: 'https://api.cohere.com',
  gemini: 'https://generativelanguage.googleapis.com',
  mistral: 'https://api.mistral.ai/v1',
  ollama: 'http://127.0.0.1:11434',
  'openai-chat': 'https://api.openai.com/v1',
  'openai-responses': 'https://api.openai.com/v1',
}

function urlHint(dialects: readonly UpstreamDialect[]): string {
  const example = URL_EXAMPLES[dialects[0] ?? 'http']
  if (example !== undefined) return `url: ${example}`
  return 'url: https://api.example.com/v1, or dialect: demo to try things out'
}

function checkApiVersion(
  { apiVersion }: Options,
  dialects: readonly UpstreamDialect[],
  at: Segments,
  problems: ProblemList,
): void {
  if (apiVersion === undefined || dialects.includes('azure-openai')) return
  const message = 'only azure-openai has an API version in the query'
  problems.add([...at, 'apiVersion'], { message, side: 'key' })
}

/** A URL that the operator wrote, `${…}` in it or not, is trusted: it may lead to a private address. */
function endpoint(
  url: string,
  weight: number,
  at: Segments,
  problems: ProblemList,
): EndpointConfig {
  const fault = urlFault(url)
  if (fault !== undefined) problems.add(at, fault)
  return { url, weight, isTrusted: true }
}

function urlFault(text: string): { message: string; hint?: string } | undefined {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined || !/^(https?|wss?):\/\//i.test(text)) {
    return {
      message: 'expected a URL that begins with http://, https://, ws:// or wss://',
      hint: 'for example https://api.openai.com/v1',
    }
  }
  if (url.username !== '' || url.password !== '') {
    return {
      message: 'a base URL cannot carry a user name or a password',
      hint: 'use keys or headers',
    }
  }
  if (text.includes('?') || text.includes('#')) {
    return { message: 'a base URL ends with its path: it has neither ? nor #' }
  }
  return undefined
}

function buildHeaders(
  headers: Options['headers'],
  printed: JsonObject,
  at: Segments,
  source: ConfigTree,
  problems: ProblemList,
): UpstreamConfig['headers'] {
  const written = writtenHeaders(source, at)
  const shown: Record<string, unknown> = {}
  const built: Record<string, string | Secret | null> = {}
  for (const [name, value] of Object.entries(headers)) {
    const field = name.toLowerCase()
    const place = [...at, 'headers', name]
    if (FRAMING_HEADERS.has(field)) {
      problems.add(place, { message: `${field} is set by the connection itself`, side: 'key' })
    } else if (Object.hasOwn(built, field)) {
      problems.add(place, { message: `the header field ${field} stands here twice`, side: 'key' })
    } else if (value !== null && !isHeaderValue(value)) {
      problems.add(place, { message: 'this holds a character that no header field can carry' })
    }
    if (value !== null && value !== '' && CREDENTIAL_HEADERS.has(field)) {
      built[field] = new Secret(value)
      if (source.positions.isLiteral(written, name)) {
        const remark = { message: SECRET_WRITTEN, hint: SECRET_HINT, severity: 'warning' } as const
        problems.add(place, remark)
      }
      const missing = source.positions.missing(written, name)
      if (missing) problems.add(place, { ...missing, severity: 'warning' })
    } else built[field] = value
    const already = (printed['headers'] as Record<string, unknown>)[name]
    shown[name] = built[field] instanceof Secret ? built[field] : already
  }
  // Secrets print as a mask, so what is not JSON yet becomes JSON when it is shown.
  printed['headers'] = shown as JsonObject
  return Object.freeze(built)
}

function writtenHeaders({ tree }: ConfigTree, at: Segments): object {
  let value: unknown = tree
  for (const segment of [...at, 'headers']) value = (value as JsonObject)?.[segment]
  return (value as object | undefined) ?? {}
}

// RFC 9110 §5.5: visible characters, spaces, tabs and what lies above ASCII.
function isHeaderValue(value: string): boolean {
  return /^[\t\u0020-\u007e\u0080-\u00ff]*$/.test(value)
}

function buildModels(models: Options['models']): UpstreamConfig['models'] {
  if (Array.isArray(models)) {
    return models.map((pattern: string) => ({ pattern, as: undefined }))
  }
  return Object.entries(models as Readonly<Record<string, string>>).map(([pattern, as]) => ({
    pattern,
    as,
  }))
}

function asList<T>(value: T | readonly T[]): readonly T[] {
  return Array.isArray(value) ? (value as readonly T[]) : [value as T]
}
