/** Fields that say how a message is framed or where it goes: the gateway's own. RFC 9110 §7.6.1. */
const FRAMING =
  /^(?:connection|content-length|host|keep-alive|proxy-connection|te|trailer|transfer-encoding|upgrade)$/
/** RFC 9110 §5.6.2 and §5.5. */
const NAME = /^[!#$%&'*+.^_`|~\dA-Za-z-]+$/
const VALUE = /^[\t\x20-\x7e\x80-\xff]*$/

/** Why a header field that untrusted code wants set cannot be; undefined where it can. */
export function headerProblem(name: string, value: unknown): string | undefined {
  if (!NAME.test(name)) return 'has no name of a header field'
  if (FRAMING.test(name.toLowerCase())) return 'is set by the gateway'
  if (typeof value !== 'string') return 'is not text'
  return VALUE.test(value) ? undefined : 'has a character that a header field cannot carry'
}
