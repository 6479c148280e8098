import type { UpstreamAuth } from '../../config/model.ts'
import { type AuthContext, needSecret } from './authorizer.ts'
import { askForToken } from './token-endpoint.ts'
import type { Token } from './token-source.ts'

type ClientCredentials = UpstreamAuth & { readonly type: 'oauth2-client-credentials' }

/** Fetches tokens by the client credentials grant (RFC 6749 §4.4). */
export function clientCredentials(
  auth: ClientCredentials,
  { now }: AuthContext,
): () => Promise<Token> {
  return async () => {
    const { clientAuth, clientId, parameters, scope, tokenUrl } = auth
    const secret = needSecret(auth.clientSecret, 'clientSecret')
    const form = new URLSearchParams(parameters)
    form.set('grant_type', 'client_credentials')
    if (scope !== undefined) form.set('scope', scope)
    if (clientAuth === 'basic') {
      const headers = { authorization: basic(clientId, secret) }
      return askForToken(tokenUrl, form, { headers, now })
    }
    form.set('client_id', clientId)
    form.set('client_secret', secret)
    return askForToken(tokenUrl, form, { now })
  }
}

/** RFC 6749 §2.3.1: both are encoded as in a form before they are joined. */
function basic(id: string, secret: string): string {
  return `Basic ${Buffer.from(`${encode(id)}:${encode(secret)}`).toString('base64')}`
}

function encode(text: string): string {
  return new URLSearchParams({ '': text }).toString().slice(1)
}
