type Map = Record<string, unknown>

/** How a guest finds out what a script has changed, and changes what it is told to. */
export interface GuestChanges {
  /** All that a view holds, before the script runs; undefined where that is much. A script that only looks is told by it, without any text. */
  notesOf(view: Map): unknown[] | undefined
  /** True where it holds the same things still. False where it may not. */
  isAsNoted(view: Map, notes: readonly unknown[] | undefined): boolean
  /** Entries that are not what they were; null for those that are gone. */
  changed(before: Map | undefined, after: unknown): Map | undefined
  /** A body as text where it is not what it was, and otherwise nothing. */
  changedBody(before: string, body: unknown, root: string): string
  /** Sets what is at a path such as `req.body.max_tokens`, or removes it where the value is undefined. */
  put(view: Map, path: unknown, value: unknown): void
}

/** Runs inside the isolate. Its text is what goes in, so it uses nothing from outside itself. */
export function guestChanges(): GuestChanges {
  const { hasOwn, keys } = Object
  const { parse, stringify } = JSON
  const { isArray } = Array
  /** What is larger is compared as text. */
  const MAX_NOTES = 10_000
  const MAX_NOTED_DEPTH = 100

  function notesOf(view: Map): unknown[] | undefined {
    const notes: unknown[] = []
    return walk(view, (one) => notes.push(one) < MAX_NOTES, 0) ? notes : undefined
  }

  function isAsNoted(view: Map, notes: readonly unknown[] | undefined): boolean {
    if (notes === undefined) return false
    let at = 0
    return walk(view, (one) => one === notes[at++], 0) && at === notes.length
  }

  /** Shows what a value holds to `see`, in one order, until that says no. True where it said so to none. */
  function walk(value: unknown, see: (one: unknown) => boolean, depth: number): boolean {
    if (!see(value)) return false
    if (typeof value !== 'object' || value === null) return true
    if (depth === MAX_NOTED_DEPTH) return false
    if (isArray(value)) {
      if (!see(value.length)) return false
      for (let at = 0; at < value.length; at++) if (!walk(value[at], see, depth + 1)) return false
      return true
    }
    const names = keys(value)
    if (!see(names.length)) return false
    for (const name of names)
      if (!see(name) || !walk((value as Map)[name], see, depth + 1)) return false
    return true
  }

  function changed(before: Map | undefined, after: unknown): Map | undefined {
    if (typeof after !== 'object' || after === null)
      throw new Error(
        'it put something that is no map in the place of headers, query, vars or the like',
      )
    const now = after as Map
    const had = before ?? {}
    let found: Map | undefined
    for (const name of keys(now)) {
      if (now[name] === had[name] && hasOwn(had, name)) continue
      if (hasOwn(had, name) && stringify(now[name]) === stringify(had[name])) continue
      ;(found ??= {})[name] = now[name] ?? null
    }
    for (const name of keys(had)) {
      if (!hasOwn(now, name)) (found ??= {})[name] = null
    }
    return found
  }

  function changedBody(before: string, body: unknown, root: string): string {
    if (body === undefined && before === '') return ''
    const text = stringify(body)
    if (text === undefined) throw new Error(`it set ${root}.body to what JSON does not have`)
    // The client may have written the same in another way.
    const isSame = text === before || (before !== '' && text === stringify(parse(before)))
    return isSame ? '' : text
  }

  function put(view: Map, path: unknown, value: unknown): void {
    const segments = String(path)
      .split(/[.[\]]+/)
      .filter((one) => one !== '')
    const [root = '', ...rest] = segments
    const last = rest.pop()
    if (!['req', 'res', 'vars', 'chunk', 'msg'].includes(root) || last === undefined) {
      throw new Error(
        `${String(path)} is no path such as req.body.max_tokens, vars.plan or res.headers.x-plan`,
      )
    }
    for (const one of [...rest, last]) {
      if (one === '__proto__' || one === 'constructor' || one === 'prototype')
        throw new Error(`${one} is no part of a path`)
    }
    let place = view[root] as Map
    for (const one of rest) {
      if (!hasOwn(place, one) || typeof place[one] !== 'object' || place[one] === null) {
        if (value === undefined) return
        place[one] = {}
      }
      place = place[one] as Map
    }
    if (value !== undefined) place[last] = value
    else if (isArray(place)) place.splice(Number(last), 1)
    else delete place[last]
  }

  return { notesOf, isAsNoted, changed, changedBody, put }
}
