import { resolve } from 'node:path'
import { parseBytes } from '../../kit/bytes.ts'
import { suggest } from '../../kit/suggest.ts'

/** What a `sqlite:` URL says. */
export interface Location {
  /** Absolute; as seen from the working directory. */
  readonly path: string
  /** `full`: each commit waits for the disk, and survives a loss of power. */
  readonly synchronous: 'normal' | 'full'
  /** Largest size of the file; undefined where only the disk sets a bound. */
  readonly maxSizeBytes: number | undefined
}

const OPTIONS = ['synchronous', 'maxSize']

/** Reads `sqlite:PATH`, `sqlite:PATH?synchronous=full&maxSize=1gb`. Throws a RangeError that says what is accepted. */
export function parseLocation(url: string): Location {
  const [path = '', query = ''] = url.slice('sqlite:'.length).split('?', 2)
  if (path === '' || path.startsWith(':')) {
    throw badUrl(url, 'expected a path after sqlite:', 'sqlite:./data/sluice.db, or memory:')
  }
  if (/^\/\/[^/]/.test(path)) {
    throw badUrl(url, 'there is no host in sqlite:PATH', `sqlite:${path.slice(2)}`)
  }
  const options = new URLSearchParams(query)
  for (const name of options.keys()) {
    if (OPTIONS.includes(name)) continue
    throw badUrl(
      url,
      `unknown option ${JSON.stringify(name)}`,
      suggest(name, OPTIONS) ?? OPTIONS[0]!,
    )
  }
  return {
    path: resolve(path),
    synchronous: synchronousOf(url, options.get('synchronous') ?? 'normal'),
    maxSizeBytes: maxSizeOf(url, options.get('maxSize')),
  }
}

function synchronousOf(url: string, value: string): 'normal' | 'full' {
  if (value === 'normal' || value === 'full') return value
  throw badUrl(url, `synchronous is ${JSON.stringify(value)}`, 'synchronous=normal or =full')
}

function maxSizeOf(url: string, value: string | null): number | undefined {
  if (value === null) return undefined
  try {
    return parseBytes(value)
  } catch (cause) {
    throw badUrl(url, `maxSize: ${(cause as Error).message}`, 'maxSize=1gb')
  }
}

function badUrl(url: string, problem: string, example: string): RangeError {
  return new RangeError(`store ${JSON.stringify(url)}: ${problem}\n  hint: write ${example}`)
}
