const UNITS: Record<string, number> = { b: 1, kb: 1024, mb: 1024 ** 2, gb: 1024 ** 3 }

/** What a size looks like in text: `512b`, `64kb`, `10mb`, `1gb`; a kb is 1,024 bytes. */
export const BYTES_PATTERN = '^\\d{1,12}(\\.\\d{1,3})?([kKmMgG]?[bB])$'

/**
 * Turns `64kb`, `10mb` or a bare number of bytes into bytes. A kb is 1,024 bytes.
 * Throws a RangeError for anything else.
 */
export function parseBytes(value: string | number): number {
  if (typeof value === 'number') {
    if (Number.isInteger(value) && value >= 0) return value
  } else {
    const parts = /^(\d{1,12}(?:\.\d{1,3})?)([kmg]?b)$/i.exec(value)
    if (parts) return Math.round(Number(parts[1]) * UNITS[parts[2]!.toLowerCase()]!)
  }
  throw new RangeError(`expected a size such as 64kb or 10mb, got ${JSON.stringify(value)}`)
}

/** Prints bytes in the largest unit that holds them exactly: `65536` → `64kb`. */
export function formatBytes(bytes: number): string {
  for (const unit of ['gb', 'mb', 'kb']) {
    const size = UNITS[unit]!
    if (bytes >= size && bytes % size === 0) return `${bytes / size}${unit}`
  }
  return `${bytes}b`
}
