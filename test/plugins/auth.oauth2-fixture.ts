import { createHash, randomBytes } from 'node:crypto'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { exportJWK, generateKeyPair, type JWK } from 'jose'
import { type GrantRequest, Provider } from 'oidc-provider'
import { onTestFinished, vi } from 'vitest'

export const AUDIENCE = 'urn:llm-gateway'
const CALLBACK = 'https://client.test/callback'
/** A resource whose tokens are opaque. */
export const OPAQUE = 'urn:opaque'

/** A real authorization server, whose signing keys can be exchanged under way. */
export interface TestIssuer {
  readonly url: string
  /** Paths that were asked, in their order. */
  readonly asked: readonly string[]
  /** The server answers nothing but 500 while this is true. */
  isDown: boolean
  /** Signs with a new key; those before stay published. */
  rotate(): Promise<void>
  /** A token of the client's own (RFC 6749 §4.4). */
  clientToken(resource?: string): Promise<string>
  /** A token of a user's, by code and PKCE (RFC 7636), through the server's own pages. */
  userToken(login: string, resource?: string): Promise<string>
  revoke(token: string): Promise<void>
}

async function signingKey(kid: string): Promise<JWK> {
  const { privateKey } = await generateKeyPair('RS256', { extractable: true })
  return { ...(await exportJWK(privateKey)), kid, use: 'sig', alg: 'RS256' }
}

/** Starts one; it is closed when the test is over. */
export async function startIssuer(): Promise<TestIssuer> {
  // It warns of all that a server for tests leaves out.
  for (const level of ['info', 'warn'] as const) {
    const silent = vi.spyOn(console, level).mockImplementation(() => undefined)
    onTestFinished(() => silent.mockRestore())
  }
  let handle: RequestListener = () => undefined
  const asked: string[] = []
  const server = createServer((req, res) => {
    asked.push(req.url!.split('?')[0]!)
    if (issuer.isDown) res.writeHead(500).end()
    else handle(req, res)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(async () => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  })
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const keys: JWK[] = []

  async function rotate(): Promise<void> {
    keys.unshift(await signingKey(`key-${keys.length}`))
    const provider = new Provider(url, configuration(keys))
    handle = provider.callback()
  }

  async function token(body: Record<string, string>): Promise<string> {
    const answer = await fetch(`${url}/token`, {
      method: 'POST',
      headers: AS_CLIENT,
      body: new URLSearchParams(body),
    })
    const { access_token: text } = (await answer.json()) as { access_token: string }
    if (!answer.ok || !text) throw new Error(`no token: ${answer.status}`)
    return text
  }

  const issuer: TestIssuer = {
    url,
    asked,
    isDown: false,
    rotate,
    clientToken: (resource = AUDIENCE) =>
      token({ grant_type: 'client_credentials', scope: 'chat', resource }),
    async userToken(login, resource = AUDIENCE) {
      const verifier = randomBytes(32).toString('base64url')
      const code = await codeFor(url, login, verifier, resource)
      const grant = { grant_type: 'authorization_code', redirect_uri: CALLBACK, resource }
      return token({ ...grant, code, code_verifier: verifier })
    },
    async revoke(text) {
      const body = new URLSearchParams({ token: text })
      await fetch(`${url}/token/revocation`, { method: 'POST', headers: AS_CLIENT, body })
    },
  }
  await rotate()
  return issuer
}

export const CLIENT = { id: 'agent', secret: 'the-secret-of-the-agent-client' }
const AS_CLIENT = {
  authorization: `Basic ${Buffer.from(`${CLIENT.id}:${CLIENT.secret}`).toString('base64')}`,
}

function configuration(keys: readonly JWK[]) {
  return {
    clients: [
      {
        client_id: CLIENT.id,
        client_secret: CLIENT.secret,
        grant_types: ['client_credentials', 'authorization_code'],
        redirect_uris: [CALLBACK],
        response_types: ['code'],
      },
    ],
    jwks: { keys: [...keys] },
    cookies: { keys: ['cookie-secret'] },
    scopes: ['openid', 'chat'],
    pkce: { required: () => true },
    features: {
      devInteractions: { enabled: true },
      clientCredentials: { enabled: true },
      introspection: { enabled: true },
      revocation: { enabled: true },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => AUDIENCE,
        useGrantedResource: () => true,
        getResourceServerInfo: (_: unknown, resource: string) => ({
          scope: 'chat',
          audience: AUDIENCE,
          accessTokenTTL: 3_600,
          accessTokenFormat: resource === OPAQUE ? 'opaque' : 'jwt',
          jwt: { sign: { alg: 'RS256' } },
        }),
      },
    },
    async loadExistingGrant({ oidc }: GrantRequest) {
      // Whoever has signed in has agreed.
      const { provider, client, session, params } = oidc
      const grant = new provider.Grant({
        clientId: client.clientId,
        accountId: session.accountId,
      })
      grant.addOIDCScope('openid chat')
      grant.addResourceScope(params['resource']!, 'chat')
      await grant.save()
      return grant
    },
    findAccount: (_: unknown, id: string) => ({ accountId: id, claims: () => ({ sub: id }) }),
  }
}

/** Walks through the pages as a browser does, with its cookies, until the client's callback. */
async function codeFor(
  url: string,
  login: string,
  verifier: string,
  resource: string,
): Promise<string> {
  const cookies = new Map<string, string>()
  async function visit(target: string, body?: URLSearchParams): Promise<Response> {
    const answer = await fetch(new URL(target, url), {
      method: body === undefined ? 'GET' : 'POST',
      redirect: 'manual',
      headers: { cookie: [...cookies].map(([name, value]) => `${name}=${value}`).join('; ') },
      ...(body !== undefined && { body }),
    })
    for (const line of answer.headers.getSetCookie()) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(line)!
      cookies.set(name!, value!)
    }
    return answer
  }
  const query = new URLSearchParams({
    client_id: CLIENT.id,
    response_type: 'code',
    redirect_uri: CALLBACK,
    scope: 'openid chat',
    resource,
    code_challenge: createHash('sha256').update(verifier).digest('base64url'),
    code_challenge_method: 'S256',
  })
  let answer = await visit(`/auth?${query.toString()}`)
  for (let step = 0; step < 10; step++) {
    const next = answer.headers.get('location')
    if (next?.startsWith(CALLBACK)) return new URL(next).searchParams.get('code')!
    if (next !== null) {
      answer = await visit(next)
      continue
    }
    const page = await answer.text()
    const action = /<form[^>]*action="([^"]+)"/.exec(page)?.[1]
    if (action === undefined) throw new Error(`no form on the page: ${page.slice(0, 500)}`)
    const prompt = page.includes('name="login"') ? 'login' : 'consent'
    answer = await visit(action, new URLSearchParams({ prompt, login, password: 'any' }))
  }
  throw new Error('no code after ten pages')
}
