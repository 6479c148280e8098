import type { TextKind } from '../dialect.ts'
import { isObject, type Json, type JsonObject } from '../../kit/json.ts'
import { getPath, setPath } from '../../kit/paths.ts'

/** Where a text stands in an event or an answer. */
export interface Place {
  readonly kind: TextKind
  /** The alternative that it belongs to: `choices[n]`, `candidates[n]`. */
  readonly choice: number
  /** Pieces of the same block, one after another, are one text. */
  readonly block: string
  /** A further piece of its block; all of it; or all of it once more, after it was told in pieces. */
  readonly form: 'piece' | 'whole' | 'repeat'
  readonly text: string
  /** Where it stands; what is spread over several places is put into the first. */
  readonly paths: readonly (readonly string[])[]
  /** True where the place holds JSON, of which `text` is the notation. */
  readonly isJson?: boolean
}

/** A block that is not told to its end. */
export type OpenBlock = Pick<Place, 'block' | 'choice' | 'kind'>

/** How a wire format carries text. */
export interface TextFormat {
  /** The texts of an event, or of a plain answer. Empty ones are left out. */
  places(json: Json, isWhole: boolean): readonly Place[]
  /** True where nothing more of the block comes after this event, or where something else of its choice comes. `places` are the event's. */
  ends(json: Json, block: OpenBlock, places: readonly Place[]): boolean
  /** An event that holds a further piece of a place and nothing else, made from the one that the place stands in. */
  piece(event: JsonObject, place: Place, text: string): JsonObject
  /** The event without what tells beside a text that has changed what it was, such as its tokens' probabilities. */
  forget(json: Json, place: Place): Json
  /** True where later events repeat the text of earlier ones. */
  readonly repeats: boolean
}

/** Adds a place, where there is a text. */
export function addPlace(
  places: Place[],
  text: unknown,
  path: readonly (string | number)[],
  place: Pick<Place, 'kind' | 'choice' | 'block' | 'form'>,
): void {
  if (typeof text === 'string' && text !== '')
    places.push({ ...place, text, paths: [path.map(String)] })
}

/** Adds a place that holds JSON: the arguments of a call, where they are not text already. */
export function addJsonPlace(
  places: Place[],
  value: unknown,
  path: readonly (string | number)[],
  place: Pick<Place, 'choice' | 'block'>,
): void {
  if (!isObject(value) || Object.keys(value).length === 0) return
  const text = JSON.stringify(value)
  places.push({
    ...place,
    kind: 'arguments',
    form: 'whole',
    text,
    paths: [path.map(String)],
    isJson: true,
  })
}

/** The places with those of one block in one: the text of a block may stand in several parts of an answer. */
export function joined(places: readonly Place[]): readonly Place[] {
  if (places.length < 2) return places
  const byBlock = new Map<string, Place>()
  for (const place of places) {
    const known = byBlock.get(place.block)
    if (known === undefined) byBlock.set(place.block, place)
    else {
      const text = known.text + place.text
      byBlock.set(place.block, { ...known, text, paths: [...known.paths, ...place.paths] })
    }
  }
  return [...byBlock.values()]
}

/** The maps of a list, with their positions; none where it is no list. */
export function mapsOf(list: unknown): [index: number, item: Record<string, unknown>][] {
  const maps: [number, Record<string, unknown>][] = []
  if (!Array.isArray(list)) return maps
  for (let index = 0; index < list.length; index++) {
    const item: unknown = list[index]
    if (isObject(item)) maps.push([index, item])
  }
  return maps
}

/** A number that says which, or where it stands in its list. */
export function indexOf(item: Record<string, unknown>, position: number): number {
  return typeof item['index'] === 'number' ? item['index'] : position
}

/** The document with another text in a place; what was spread over several is put into the first. */
export function writeAt(document: Json, { paths, isJson }: Place, text: string): Json {
  const [first, ...others] = paths
  const changed = replaceAt(document, first!, isJson ? (JSON.parse(text) as Json) : text)
  return others.reduce((left, path) => replaceAt(left, path, ''), changed)
}

/** The document with the value set where there is one already. */
export function replaceAt(document: Json, path: readonly string[], value: Json): Json {
  return getPath(document, path) === undefined ? document : setPath(document, path, value)
}
