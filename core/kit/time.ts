/** Milliseconds since 1970 as RFC 3339 has them, in whole seconds and UTC, rounded up: `2026-01-31T08:00:00Z`. */
export function formatTime(ms: number): string {
  return `${new Date(Math.ceil(ms / 1_000) * 1_000).toISOString().slice(0, 19)}Z`
}

/** Milliseconds since 1970 of `2026-01-31` or a time of RFC 3339 with its zone; undefined for anything else. */
export function parseTime(text: string): number | undefined {
  if (
    !/^\d{4}-\d{2}-\d{2}(?:T\d{2}:\d{2}(?::\d{2}(?:\.\d{1,3})?)?(?:Z|[+-]\d{2}:\d{2}))?$/.test(text)
  ) {
    return undefined
  }
  const time = Date.parse(text)
  return Number.isNaN(time) ? undefined : time
}
