import type { UpstreamAuth } from '../../config/model.ts'
import {
  type AuthContext,
  type Authorizer,
  needSecret,
  type Outgoing,
  type Presented,
} from './authorizer.ts'

type SigV4 = UpstreamAuth & { readonly type: 'aws-sigv4' }

/** Signs each request: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html. */
export function sigv4(auth: SigV4, { now }: AuthContext): Authorizer {
  /** Keys derived from the secret, by day. */
  let derived = new Map<string, ArrayBuffer>()
  let day = ''

  async function present({ body, method, url }: Outgoing): Promise<Presented> {
    const { AwsV4Signer } = await import('aws4fetch')
    const datetime = new Date(now()).toISOString().replaceAll(/[:-]|\.\d{3}/g, '')
    if (datetime.slice(0, 8) !== day) {
      day = datetime.slice(0, 8)
      derived = new Map()
    }
    const sessionToken = auth.sessionToken?.reveal() ?? ''
    const signer = new AwsV4Signer({
      method,
      url,
      body: body ?? null,
      accessKeyId: needSecret(auth.accessKeyId, 'accessKeyId'),
      secretAccessKey: needSecret(auth.secretAccessKey, 'secretAccessKey'),
      ...(sessionToken === '' ? {} : { sessionToken }),
      service: auth.service,
      region: auth.region,
      cache: derived,
      datetime,
    })
    const { headers } = await signer.sign()
    return [...headers].flat()
  }

  return { needsBody: true, present, refused: () => false }
}
