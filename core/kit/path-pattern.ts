/** A pattern that cannot be read, with the place of the fault, counted from 0. */
export class PathPatternError extends Error {
  override readonly name = 'PathPatternError'
  readonly offset: number
  readonly hint: string | undefined

  constructor(message: string, offset: number, hint?: string) {
    super(message)
    this.offset = offset
    this.hint = hint
  }
}

/** One part between two slashes: exactly `text`, or any name between a prefix and a suffix. */
type Segment =
  | { readonly text: string }
  | { readonly name: string; readonly prefix: string; readonly suffix: string }

/** A compiled path pattern. */
export interface PathPattern {
  readonly source: string
  /** Names of its `{name}` segments, and `*` where it ends in one. */
  readonly names: readonly string[]
  readonly segments: readonly Segment[]
  /** True where it ends in `*` and so takes the rest of the path, slashes included. */
  readonly isOpen: boolean
  /**
   * The values of the pattern's names, or undefined where the path does not fit. Takes a normalised path, decoded
   * once, and cuts the values out of it as they stand: decoding them again would let `%252e` through.
   * A null-prototype map. Linear in the length of the path.
   */
  match(path: string): Readonly<Record<string, string>> | undefined
}

const NO_PARAMS: Readonly<Record<string, string>> = Object.freeze(
  Object.create(null) as Record<string, string>,
)

/**
 * Compiles a path pattern: literal segments, `{name}` for one segment that isn't empty, with a prefix and a suffix
 * around it if need be (`{model}:generateContent`), and `*` as the last segment for the rest of the path, the empty
 * rest too. Letters count as they are written. Throws a PathPatternError.
 */
export function parsePathPattern(source: string): PathPattern {
  if (!source.startsWith('/')) {
    throw new PathPatternError(
      `a path begins with a slash, got ${JSON.stringify(source)}`,
      0,
      `write /${source}`,
    )
  }
  const segments: Segment[] = []
  const names: string[] = []
  let isOpen = false
  for (let start = 1; start <= source.length;) {
    const slash = source.indexOf('/', start)
    const end = slash === -1 ? source.length : slash
    const text = source.slice(start, end)
    if (text === '' && end < source.length) {
      throw new PathPatternError('two slashes in a row match no path', start)
    }
    if (text === '*' && end === source.length) {
      isOpen = true
      names.push('*')
    } else {
      const segment = parseSegment(text, start)
      if ('name' in segment) {
        if (names.includes(segment.name)) {
          throw new PathPatternError(`{${segment.name}} stands twice in one path`, start)
        }
        names.push(segment.name)
      }
      segments.push(segment)
    }
    start = end + 1
  }
  return { source, names, segments, isOpen, match: matcher(source, segments, isOpen) }
}

/** True where every path that `b` matches is matched by `a` too. */
export function covers(a: PathPattern, b: PathPattern): boolean {
  if (b.segments.length < a.segments.length) return false
  if (!a.isOpen && (b.isOpen || b.segments.length > a.segments.length)) return false
  if (a.isOpen && !b.isOpen && b.segments.length === a.segments.length) return false
  return a.segments.every((segment, index) => coversSegment(segment, b.segments[index]!))
}

function coversSegment(a: Segment, b: Segment): boolean {
  if ('text' in b) return fits(a, b.text)
  return 'name' in a && b.prefix.startsWith(a.prefix) && b.suffix.endsWith(a.suffix)
}

function fits(segment: Segment, text: string): boolean {
  if ('text' in segment) return segment.text === text
  const { prefix, suffix } = segment
  return (
    text.length > prefix.length + suffix.length && text.startsWith(prefix) && text.endsWith(suffix)
  )
}

function parseSegment(text: string, offset: number): Segment {
  const open = text.indexOf('{')
  const star = text.indexOf('*')
  if (star !== -1) {
    throw new PathPatternError(
      '* stands for the rest of a path and must be its last segment',
      offset + star,
      'use {name} for one segment',
    )
  }
  const forbidden = /[?#\\%\s]|\.\.$/.exec(text)
  if (forbidden !== null && (forbidden[0] !== '..' || text === '..')) {
    throw new PathPatternError(
      `${JSON.stringify(forbidden[0])} cannot stand in a path`,
      offset + forbidden.index,
      'a path is matched decoded, without its query, and has no dot segments',
    )
  }
  if (text === '.') throw new PathPatternError('"." cannot stand in a path', offset)
  if (open === -1) {
    const close = text.indexOf('}')
    if (close !== -1) throw new PathPatternError('} without a {', offset + close)
    return { text }
  }
  const close = text.indexOf('}', open)
  if (close === -1) throw new PathPatternError('{ without a }', offset + open)
  const name = text.slice(open + 1, close)
  if (!/^[A-Za-z]\w{0,63}$/.test(name) || name === 'constructor' || name === 'prototype') {
    throw new PathPatternError(
      `${JSON.stringify(name)} cannot be the name of a segment`,
      offset + open + 1,
      'use letters, digits and _, such as {model}',
    )
  }
  const suffix = text.slice(close + 1)
  const second = suffix.search(/[{}]/)
  if (second !== -1) {
    throw new PathPatternError(
      'only one {name} may stand in a segment',
      offset + close + 1 + second,
    )
  }
  return { name, prefix: text.slice(0, open), suffix }
}

function matcher(
  source: string,
  segments: readonly Segment[],
  isOpen: boolean,
): PathPattern['match'] {
  if (!isOpen && segments.every((segment) => 'text' in segment)) {
    return (path) => (path === source ? NO_PARAMS : undefined)
  }
  return (path) => {
    if (!path.startsWith('/')) return undefined
    const params = Object.create(null) as Record<string, string>
    let start = 1
    for (const segment of segments) {
      if (start > path.length) return undefined
      const slash = path.indexOf('/', start)
      const end = slash === -1 ? path.length : slash
      if ('text' in segment) {
        if (end - start !== segment.text.length || !path.startsWith(segment.text, start)) {
          return undefined
        }
      } else {
        const text = path.slice(start, end)
        if (!fits(segment, text)) return undefined
        params[segment.name] = text.slice(
          segment.prefix.length,
          text.length - segment.suffix.length,
        )
      }
      start = end + 1
    }
    if (!isOpen) return start > path.length ? params : undefined
    if (start > path.length) return undefined
    params['*'] = path.slice(start)
    return params
  }
}
