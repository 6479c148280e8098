import type { UpstreamAuth } from '../../config/model.ts'
import type { AuthContext, Authorizer, Presented } from './authorizer.ts'
import { clientCredentials } from './client-credentials.ts'
import { serviceAccount, tokenUrlOfKey } from './service-account.ts'
import { sigv4 } from './sigv4.ts'
import { type Token, TokenSource } from './token-source.ts'

/** The authorizer of an upstream. Nothing is fetched before the first request. */
export function createAuthorizer(auth: UpstreamAuth, context: AuthContext): Authorizer {
  switch (auth.type) {
    case 'aws-sigv4':
      return sigv4(auth, context)
    case 'google-service-account':
      return bearer(new TokenSource(serviceAccount(auth, context), context))
    default:
      return bearer(new TokenSource(clientCredentials(auth, context), context))
  }
}

/** Where the upstream's tokens are given; undefined where there are none. */
export function tokenUrlOf(auth: UpstreamAuth | undefined): string | undefined {
  if (auth?.type === 'oauth2-client-credentials') return auth.tokenUrl
  return auth?.type === 'google-service-account' ? tokenUrlOfKey(auth) : undefined
}

/** Presents tokens of a source as RFC 6750 says. */
function bearer(source: TokenSource): Authorizer {
  let latest: { readonly token: Token; readonly presented: Presented } | undefined

  function fields(token: Token): Presented {
    if (latest?.token !== token) {
      latest = { token, presented: ['authorization', `Bearer ${token.value.reveal()}`] }
    }
    return latest.presented
  }

  return {
    needsBody: false,
    present() {
      const token = source.get()
      return token instanceof Promise ? token.then(fields) : fields(token)
    },
    refused: (presented) => latest?.presented !== presented || source.refuse(latest.token),
  }
}
