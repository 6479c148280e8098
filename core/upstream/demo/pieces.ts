/** Cuts a text into what comes in one event each: words with the space behind them, or at most `count` even pieces. */
export function* piecesOf(text: string, count: number | undefined): Generator<string> {
  if (count === undefined) {
    for (const [word] of text.matchAll(/\s*\S+\s*|\s+/g)) yield word
    return
  }
  const size = Math.max(1, Math.ceil(text.length / count))
  let start = 0
  while (start < text.length) {
    let end = start + size
    if (/[\uD800-\uDBFF]/.test(text[end - 1] ?? '')) end++
    yield text.slice(start, end)
    start = end
  }
}
