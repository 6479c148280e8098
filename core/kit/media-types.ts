/** True for `text/event-stream` (WHATWG HTML §9.2). */
export function isEventStream(type: string | undefined): boolean {
  return type !== undefined && /^text\/event-stream\b/i.test(type)
}

/** True for the types of text, markup and JSON. */
export function isText(type: string | undefined): boolean {
  return type !== undefined && (TEXT.test(type) || LINES.test(type))
}

/**
 * How an answer of text that is no event stream is read while it arrives: by lines, for JSON by line, or as pieces of
 * plain text; undefined for what makes sense only as a whole, such as JSON and markup.
 */
export function streamedTextOf(type: string | undefined): 'lines' | 'text' | undefined {
  if (type === undefined) return undefined
  if (LINES.test(type)) return 'lines'
  return /^text\/plain\b/i.test(type) ? 'text' : undefined
}

const LINES =
  /^application\/(x-ndjson|ndjson|x-jsonlines|jsonlines|jsonl|json-lines|stream\+json)\b/i
const TEXT = /^(text\/|application\/([\w.-]+\+)?(json|xml)\b)/i
