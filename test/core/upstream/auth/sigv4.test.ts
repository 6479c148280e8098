import { Sha256 } from '@aws-crypto/sha256-js'
import { SignatureV4 } from '@smithy/signature-v4'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Secret } from '#core/kit/secret.ts'
import { sigv4 } from '#core/upstream/auth/sigv4.ts'

const NOW = Date.UTC(2026, 10, 26, 12, 0, 0)

interface Signed {
  readonly method: string
  readonly path: string
  readonly query?: Readonly<Record<string, string>>
  readonly body?: string
  readonly sessionToken?: string
  readonly service?: string
}

const HOST = 'bedrock-runtime.eu-central-1.amazonaws.com'

/** What our signer and AWS's own say of a request. */
async function both({ body, method, path, query = {}, service = 'bedrock', sessionToken }: Signed) {
  const ours = sigv4(
    {
      type: 'aws-sigv4',
      accessKeyId: new Secret('AKIDEXAMPLE'),
      secretAccessKey: new Secret('wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY'),
      sessionToken: new Secret(sessionToken ?? ''),
      region: 'eu-central-1',
      service,
    },
    { now: () => NOW, warn: () => {} },
  )
  const search = new URLSearchParams(query).toString().replaceAll('+', '%20')
  const fields = await ours.present({
    method,
    url: `https://${HOST}${path}${search === '' ? '' : `?${search}`}`,
    body: body === undefined ? undefined : Buffer.from(body),
  })
  const presented = Object.fromEntries(
    fields.flatMap((name, at) => (at % 2 === 0 ? [[name, fields[at + 1]!]] : [])),
  )

  const oracle = new SignatureV4({
    credentials: {
      accessKeyId: 'AKIDEXAMPLE',
      secretAccessKey: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY',
      ...(sessionToken === undefined ? {} : { sessionToken }),
    },
    region: 'eu-central-1',
    service,
    sha256: Sha256,
    applyChecksum: false,
  })
  const { headers } = await oracle.sign(
    {
      method,
      protocol: 'https:',
      hostname: HOST,
      path,
      query: { ...query },
      headers: { host: HOST },
      ...(body === undefined ? {} : { body }),
    },
    { signingDate: new Date(NOW) },
  )
  return { presented, expected: headers }
}

describe('a signature', () => {
  it.each<[string, Signed]>([
    ['of a body', { method: 'POST', path: '/model/a/converse', body: '{"messages":[]}' }],
    [
      'of a model whose name is percent-encoded in the path',
      {
        method: 'POST',
        path: '/model/us.anthropic.claude-haiku-4-5-20251001-v1%3A0/converse-stream',
        body: '{}',
      },
    ],
    [
      'of an inference profile',
      {
        method: 'POST',
        path: `/model/${encodeURIComponent('arn:aws:bedrock:eu-central-1:1:inference-profile/x')}/converse`,
        body: 'ä€😀',
      },
    ],
    [
      'of nothing but a query',
      { method: 'GET', path: '/models', query: { b: '2', a: 'x y', '~': '*' } },
    ],
    [
      'with a session token',
      { method: 'POST', path: '/x', body: '{}', sessionToken: 'IQoJb3/+==' },
    ],
    ['for another service', { method: 'POST', path: '/x', body: '{}', service: 'bedrock-mantle' }],
  ])("is that of AWS's own signer: %s", async (_name, request) => {
    const { expected, presented } = await both(request)
    expect(presented['authorization']).toBe(expected['authorization'])
    expect(presented['x-amz-date']).toBe(expected['x-amz-date'])
    expect(presented['x-amz-security-token']).toBe(expected['x-amz-security-token'])
  })

  it("is that of AWS's own signer, whatever the path and body", async () => {
    const segment = fc
      .string({ unit: 'grapheme', minLength: 1, maxLength: 12 })
      .map(encodeURIComponent)
    const path = fc.array(segment, { minLength: 1, maxLength: 4 }).map((all) => `/${all.join('/')}`)
    await fc.assert(
      fc.asyncProperty(path, fc.string(), async (where, body) => {
        // A segment of dots is no path that the gateway would ask for.
        fc.pre(!/\/\.{1,2}(?:\/|$)/.test(where))
        const { expected, presented } = await both({ method: 'POST', path: where, body })
        expect(presented['authorization']).toBe(expected['authorization'])
      }),
      { numRuns: 100 },
    )
  })

  it('needs its keys', async () => {
    const none = sigv4(
      {
        type: 'aws-sigv4',
        accessKeyId: new Secret('A'),
        secretAccessKey: new Secret(''),
        region: 'x',
        service: 'bedrock',
      },
      { now: () => NOW, warn: () => {} },
    )
    await expect(
      none.present({ method: 'GET', url: 'https://x.example/', body: undefined }),
    ).rejects.toMatchObject({
      code: 'UPSTREAM_CREDENTIALS',
      message: 'auth.secretAccessKey of the upstream is not set',
    })
  })
})
