/** Milliseconds since 1970 as RFC 3339 has them, in whole seconds and UTC, rounded up: `2026-01-31T08:00:00Z`. */
export function formatTime(ms: number): string {
  return `${new Date(Math.ceil(ms / 1_000) * 1_000).toISOString().slice(0, 19)}Z`
}
