import { getPath, parsePath, removePath, setPath } from '#core/kit/paths.ts'
import { isObject, type Json } from '#core/kit/json.ts'

/**
 * A path into a document, cut at its wildcards: `messages.*.name` is `[[messages], [name]]`, and each cut stands
 * for every item of the list, or every value of the map, that the path before it leads to.
 */
export type Field = readonly (readonly string[])[]

/** What happens to the place that a field's last part leads to; undefined drops the whole item. */
type Leaf = (item: Json, segments: readonly string[]) => Json | undefined

/** Parses `a.b`, `a[0].b`, `a[].b` and `a.*.b`. Throws a RangeError as parsePath does. */
export function parseField(path: string): Field {
  const segments = parsePath(path.replace(/^\[\]/, '*').replaceAll('[]', '.*'))
  const field: string[][] = [[]]
  for (const segment of segments) {
    if (segment === '*') field.push([])
    else field.at(-1)!.push(segment)
  }
  return field
}

/** True where a field may lead to several places. */
export function isWild(field: Field): boolean {
  return field.length > 1
}

/** A copy of the document with the value in every place that the field leads to; missing maps on the way are made. */
export function setField(document: Json, field: Field, value: Json): Json {
  return change(document, field, (item, segments) => setPath(item, segments, value)) ?? document
}

/** A copy of the document without what the field leads to; the same document where it leads nowhere. */
export function removeField(document: Json, field: Field): Json {
  const leaf: Leaf = (item, segments) =>
    segments.length === 0 ? undefined : removePath(item, segments)
  return change(document, field, leaf) ?? document
}

/** A copy of the document with each text that the field leads to rewritten; the same document where none changed. */
export function rewriteField(
  document: Json,
  field: Field,
  rewrite: (text: string) => string,
): Json {
  const leaf: Leaf = (item, segments) => {
    const found = getPath(item, segments)
    if (typeof found !== 'string') return item
    const text = rewrite(found)
    return text === found ? item : setPath(item, segments, text)
  }
  return change(document, field, leaf) ?? document
}

/** One pass: linear in the size of the document, however many items a wildcard meets. */
function change(item: Json, field: Field, leaf: Leaf): Json | undefined {
  const [segments, ...rest] = field
  if (rest.length === 0) return leaf(item, segments!)
  const parent = getPath(item, segments!)
  const changed = changeEach(parent, (child) => change(child, rest, leaf))
  return changed === undefined || changed === parent ? item : setPath(item, segments!, changed)
}

function changeEach(
  parent: Json | undefined,
  changeChild: (child: Json) => Json | undefined,
): Json | undefined {
  if (!Array.isArray(parent) && !isObject(parent)) return parent
  let isChanged = false
  const kept: [string, Json][] = []
  for (const [key, child] of Object.entries(parent)) {
    const changed = changeChild(child)
    if (changed !== child) isChanged = true
    if (changed !== undefined) kept.push([key, changed])
  }
  if (!isChanged) return parent
  return Array.isArray(parent) ? kept.map(([, child]) => child) : Object.fromEntries(kept)
}
