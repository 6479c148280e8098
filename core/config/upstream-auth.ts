import { isObject, jsonOf } from '../kit/json.ts'
import type { EndpointConfig, UpstreamAuth } from './model.ts'
import type { ProblemList } from './problem-list.ts'
import type { Infer } from './schema.ts'
import type { Segments } from './tree.ts'
import type { UPSTREAM_AUTH } from './upstream-auth-schema.ts'
import type { UPSTREAM } from './upstream-schema.ts'

type Options = Infer<typeof UPSTREAM>
type AuthOptions = Infer<typeof UPSTREAM_AUTH>

/** Checks what the schema cannot say of an upstream's credential. Secrets that are not set yet are no error here. */
export function buildAuth(
  { auth, dialect, forwardCredentials, keys }: Options,
  endpoints: readonly EndpointConfig[],
  upstream: Segments,
  problems: ProblemList,
): UpstreamAuth | undefined {
  if (auth === undefined) return undefined
  // Not in plain quotes: a plugin is called so too, and core names none.
  const at = [...upstream, `auth`]
  if (endpoints.length === 0) {
    // Told of already, unless it is meant to go nowhere.
    if (dialect !== 'demo') return undefined
    const message = 'an upstream of the dialect demo answers by itself and needs no credential'
    problems.add(at, { message, side: 'key' })
    return undefined
  }
  if (keys.length > 0) {
    const message = 'keys and auth are both the credential of this upstream'
    problems.add(at, { message, hint: 'leave one of them out', side: 'key' })
  } else if (forwardCredentials) {
    const message =
      "forwardCredentials passes the client's credential on, where auth presents its own"
    problems.add(at, { message, hint: 'leave one of them out', side: 'key' })
  }
  if (auth.type === 'oauth2-client-credentials') checkTokenUrl(auth.tokenUrl, at, problems)
  if (auth.type === 'google-service-account') checkKey(auth.key.reveal(), at, problems)
  return auth.type === 'aws-sigv4' ? withRegion(auth, endpoints, at, problems) : auth
}

function checkTokenUrl(text: string, at: Segments, problems: ProblemList): void {
  const place = [...at, 'tokenUrl']
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined || !/^https?:$/.test(url.protocol)) {
    problems.add(place, { message: 'expected a URL that begins with https://' })
  } else if (url.username !== '' || url.password !== '') {
    problems.add(place, { message: 'a token URL cannot carry a user name or a password' })
  } else if (url.protocol === 'http:' && !isLoopback(url.hostname)) {
    const message = 'the secret goes to this URL in clear'
    problems.add(place, { message, hint: 'use https://', severity: 'warning' })
  }
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '[::1]' || host.startsWith('127.')
}

function checkKey(text: string, at: Segments, problems: ProblemList): void {
  if (text === '') return
  const key = jsonOf(text)
  if (isObject(key) && typeof key['client_email'] === 'string') {
    if (typeof key['private_key'] === 'string') return
  }
  const message = 'expected the JSON key of a service account, with client_email and private_key'
  problems.add([...at, 'key'], { message, hint: 'key: ${file:/run/secrets/google.json}' })
}

/** `bedrock-runtime.us-east-1.amazonaws.com`, `bedrock-mantle.us-east-1.api.aws`. */
const REGION = /\.([a-z]{2}(?:-[a-z]+)+-\d+)\.(?:amazonaws\.com(?:\.cn)?|api\.aws)$/

function withRegion(
  auth: AuthOptions & { type: 'aws-sigv4' },
  endpoints: readonly EndpointConfig[],
  at: Segments,
  problems: ProblemList,
): UpstreamAuth {
  const regions = endpoints.map(({ url }) =>
    URL.canParse(url) ? REGION.exec(new URL(url).hostname)?.[1] : undefined,
  )
  const [region] = regions
  const isOne = region !== undefined && regions.every((other) => other === region)
  if (auth.region === undefined && !isOne) {
    const message = 'missing option "region": the host name does not tell it'
    problems.add(at, { message, hint: 'region: us-east-1' })
  }
  return { ...auth, region: auth.region ?? region ?? '' }
}
