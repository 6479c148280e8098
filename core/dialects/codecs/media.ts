import type { MediaSource } from '../hub/conversation.ts'

/** Reads a URL that may hold its bytes itself (RFC 2397, base64 only). */
export function sourceOfUrl(url: string): MediaSource {
  if (!url.startsWith('data:')) return { kind: 'url', url }
  const comma = url.indexOf(',')
  const head = url.slice('data:'.length, comma)
  if (comma === -1 || !head.endsWith(';base64')) return { kind: 'url', url }
  const mediaType = head.slice(0, -';base64'.length).split(';')[0]!
  return { kind: 'data', mediaType, data: url.slice(comma + 1) }
}

/** A URL that holds the bytes itself. */
export function dataUrl(mediaType: string, data: string): string {
  return `data:${mediaType};base64,${data}`
}
