import type { Proof, ProofProvider } from './conversation.ts'

/** Marks a foreign proof in a field that a client hands back without looking. */
const PREFIX = 'sl1'

/** How each sealed proof begins. */
export const SEAL = `${PREFIX}.`

/** The same in base64, which is how Gemini's clients hold it. */
export const SEAL_BASE64 = Buffer.from(SEAL).toString('base64').slice(0, 5)

/**
 * True where a body may hold a sealed proof. One for an upstream of the client's own dialect must not pass untouched
 * then: its provider would refuse it. The codec's encoder leaves it out.
 */
export function mayHoldSeal(body: Buffer): boolean {
  return body.includes(SEAL) || body.includes(SEAL_BASE64)
}

/** Stands where a client expects a signature of thoughts that have none. */
export const UNPROVEN = `${PREFIX}.other..signature..`

const PROVIDERS: ReadonlySet<string> = new Set(['anthropic', 'openai', 'google', 'other'])

/**
 * A proof as text for a client of another provider: `sl1.<provider>.<family>.<kind>.<id>.<data>`, the last two in
 * base64url. The client keeps it as its own provider's signature.
 */
export function sealProof({ provider, family, kind, id, data }: Proof): string {
  return [PREFIX, provider, family.replaceAll('.', '-'), kind, encode(id ?? ''), encode(data)].join(
    '.',
  )
}

/** The proof in a sealed text; undefined where it is not one of ours. */
export function openProof(text: string): Proof | undefined {
  const [prefix, provider, family, kind, id, data, ...rest] = text.split('.')
  if (prefix !== PREFIX || data === undefined || rest.length > 0) return undefined
  if (!isProvider(provider) || (kind !== 'signature' && kind !== 'encrypted')) return undefined
  return {
    provider,
    family: family ?? '',
    kind,
    data: decode(data),
    ...(id === undefined || id === '' ? {} : { id: decode(id) }),
  }
}

/** True where a provider's model will believe the proof. */
export function isProofFor(proof: Proof, provider: ProofProvider, family: string): boolean {
  if (proof.provider !== provider) return false
  return proof.family === '' || family === '' || proof.family === family.replaceAll('.', '-')
}

function isProvider(text: string | undefined): text is ProofProvider {
  return text !== undefined && PROVIDERS.has(text)
}

function encode(text: string): string {
  return Buffer.from(text, 'utf8').toString('base64url')
}

function decode(text: string): string {
  return Buffer.from(text, 'base64url').toString('utf8')
}
