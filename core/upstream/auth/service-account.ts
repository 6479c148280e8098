import type { UpstreamAuth } from '../../config/model.ts'
import { GatewayError } from '../../errors.ts'
import { isObject, jsonOf } from '../../kit/json.ts'
import { type AuthContext, needSecret } from './authorizer.ts'
import { askForToken } from './token-endpoint.ts'
import type { Token } from './token-source.ts'

type ServiceAccount = UpstreamAuth & { readonly type: 'google-service-account' }

const TOKEN_URL = 'https://oauth2.googleapis.com/token'
const GRANT = 'urn:ietf:params:oauth:grant-type:jwt-bearer'
/** As long as Google takes. */
const LIFE_SECONDS = 3_600

/** Fetches tokens for a signed statement of who the gateway is (RFC 7523, developers.google.com/identity/protocols/oauth2/service-account). */
export function serviceAccount(
  { key, scope }: ServiceAccount,
  { now }: AuthContext,
): () => Promise<Token> {
  return async () => {
    const account = read(needSecret(key, 'key'))
    const assertion = await sign(account, scope, Math.floor(now() / 1_000))
    const form = new URLSearchParams({ grant_type: GRANT, assertion })
    return askForToken(account.tokenUrl, form, { now })
  }
}

/** Where Google, or whoever the key names, gives tokens for it; undefined for a key that cannot be read. */
export function tokenUrlOfKey({ key }: ServiceAccount): string | undefined {
  try {
    return read(key.reveal()).tokenUrl
  } catch {
    return undefined
  }
}

interface Account {
  readonly email: string
  readonly privateKey: string
  readonly keyId: string | undefined
  readonly tokenUrl: string
}

function read(text: string): Account {
  const json = jsonOf(text)
  const fields = isObject(json) ? json : {}
  const {
    client_email: email,
    private_key: privateKey,
    private_key_id: id,
    token_uri: url,
  } = fields
  if (typeof email !== 'string' || typeof privateKey !== 'string') throw unusable()
  return {
    email,
    privateKey,
    keyId: typeof id === 'string' ? id : undefined,
    tokenUrl: typeof url === 'string' ? url : TOKEN_URL,
  }
}

async function sign(account: Account, scope: string, now: number): Promise<string> {
  const { importPKCS8, SignJWT } = await import('jose')
  const { email, keyId, privateKey, tokenUrl } = account
  try {
    return await new SignJWT({ scope })
      .setProtectedHeader({
        alg: 'RS256',
        typ: 'JWT',
        ...(keyId === undefined ? {} : { kid: keyId }),
      })
      .setIssuer(email)
      .setAudience(tokenUrl)
      .setIssuedAt(now)
      .setExpirationTime(now + LIFE_SECONDS)
      .sign(await importPKCS8(privateKey, 'RS256'))
  } catch {
    // The reason may hold a part of the key.
    throw unusable()
  }
}

function unusable(): GatewayError {
  return new GatewayError('UPSTREAM_CREDENTIALS', 'auth.key of the upstream is no usable key')
}
