import { GatewayError } from '../errors.ts'
import type { ClientDialect, Dialect, UpstreamDialect, WireDialect } from './dialect.ts'
import { EVENT_STREAM, NDJSON, SSE, type StreamFraming } from './framing.ts'
import { DIALECTS, upstreamPath } from './index.ts'

/** What decides where a request goes, beside the base URL. */
export interface Asked {
  /** Normalised path without the query. */
  readonly path: string
  /** The upstream's own name of the model, where the request names one. */
  readonly model: string | undefined
  /** The upstream's option of that name, for the provider that wants one. */
  readonly apiVersion: string | undefined
}

/** How an upstream is asked in a wire format: with which credential, and where. */
export interface UpstreamSide {
  /** The clients' dialects that it takes with their bytes untouched. */
  readonly speaks: readonly ClientDialect[]
  /** Query parameters that carry the client's credential. Never forwarded. */
  readonly credentialQuery: readonly string[]
  readonly authorize: Dialect['authorize']
  readonly framing: StreamFraming
  /** The path to ask for under a base URL's path; with a query where the provider wants one. */
  target(basePath: string, asked: Asked): string
}

/** Every wire format as an upstream speaks it, by its name in YAML. */
export const UPSTREAM_SIDES: Readonly<Record<WireDialect, UpstreamSide>> = {
  'openai-chat': sideOf('openai-chat'),
  'openai-responses': sideOf('openai-responses'),
  anthropic: sideOf('anthropic'),
  gemini: sideOf('gemini'),
  http: sideOf('http'),
  'azure-openai': {
    speaks: ['openai-chat', 'openai-responses'],
    credentialQuery: [],
    authorize: (key) => ({ 'api-key': key }),
    framing: SSE,
    target: azureTarget,
  },
  bedrock: provider((base, { path }) => base.replace(/\/$/, '') + path, EVENT_STREAM),
  cohere: provider((base, { path }) => upstreamPath('cohere', base, path)),
  mistral: provider((base, { path }) => upstreamPath('mistral', base, path)),
  // Ollama's own API has no version; its base is written with `/api` or without.
  ollama: provider((base, { path }) => base.replace(/\/(?:api\/?)?$/, '') + path, NDJSON),
}

/** The clients' dialects that an upstream takes with their bytes untouched. */
export function spokenBy(dialects: readonly UpstreamDialect[]): readonly ClientDialect[] {
  return [
    ...new Set(
      dialects.flatMap((dialect) => (dialect === 'demo' ? [] : UPSTREAM_SIDES[dialect].speaks)),
    ),
  ]
}

/** How an upstream of these dialects is asked in each wire format that it takes, its own first. */
export function sidesOf(
  dialects: readonly UpstreamDialect[],
): ReadonlyMap<WireDialect, UpstreamSide> {
  const sides = new Map<WireDialect, UpstreamSide>()
  const wire = dialects.filter((dialect) => dialect !== 'demo')
  for (const dialect of wire) sides.set(dialect, UPSTREAM_SIDES[dialect])
  for (const dialect of wire) {
    const side = UPSTREAM_SIDES[dialect]
    for (const spoken of side.speaks) if (!sides.has(spoken)) sides.set(spoken, side)
  }
  return sides
}

/** True where the path of each request depends on its model, so that the body must be read for it. */
export function asksByModel(dialects: readonly UpstreamDialect[], apiVersion?: string): boolean {
  return apiVersion !== undefined && dialects.includes('azure-openai')
}

function sideOf(name: ClientDialect): UpstreamSide {
  const { authorize, credentialQuery } = DIALECTS[name]
  const target: UpstreamSide['target'] = (base, { path }) => upstreamPath(name, base, path)
  return { speaks: [name], credentialQuery, authorize, framing: SSE, target }
}

function provider(target: UpstreamSide['target'], framing = SSE): UpstreamSide {
  const authorize = (key: string) => ({ authorization: `Bearer ${key}` })
  return { speaks: [], credentialQuery: [], authorize, framing, target }
}

/** What Azure serves under a deployment, where the version stands in the query. */
const OF_DEPLOYMENTS = /^\/(?:chat\/completions|completions|embeddings|images\/|audio\/)/

/**
 * Azure's three forms: a base URL that names a deployment; one that doesn't, with `apiVersion`, whose deployment is the
 * model's name; and the newer API under `/openai/v1`, which is told the model in the body.
 * https://learn.microsoft.com/azure/ai-foundry/openai/api-version-lifecycle
 */
function azureTarget(basePath: string, { path, model, apiVersion }: Asked): string {
  const base = basePath.replace(/\/$/, '')
  const rest = path.replace(/^\/v1(?=\/)/, '')
  const version = apiVersion === undefined ? '' : `?api-version=${encodeURIComponent(apiVersion)}`
  if (/\/deployments\/[^/]+$/.test(base) || base.endsWith('/v1')) return base + rest + version
  const root = base.endsWith('/openai') ? base : `${base}/openai`
  if (apiVersion === undefined) return `${root}/v1${rest}`
  if (!OF_DEPLOYMENTS.test(rest)) return root + rest + version
  if (model === undefined) {
    const detail = 'the request names no model, and the deployment at Azure is called like it'
    throw new GatewayError('BAD_REQUEST', detail, { param: 'model' })
  }
  return `${root}/deployments/${encodeURIComponent(model)}${rest}${version}`
}
