import { isObject, type Json } from '../../kit/json.ts'
import { addPlace, type Place, type TextFormat } from './text-format.ts'

/** JSON of no known API: each text in it is one by itself, in whatever field it stands. */
export const fieldTexts: TextFormat = {
  repeats: false,

  places(json) {
    const places: Place[] = []
    read(places, json, [])
    return places
  },

  ends: () => true,
  piece: (event) => event,
  forget: (json) => json,
}

/** Deeper than any request may be; an answer has no such limit. */
const MAX_DEPTH = 64

function read(places: Place[], value: Json, path: readonly string[]): void {
  if (typeof value === 'string') {
    addPlace(places, value, path, {
      kind: 'field',
      choice: 0,
      block: path.join('.'),
      form: 'whole',
    })
    return
  }
  if (path.length >= MAX_DEPTH) return
  if (Array.isArray(value)) {
    for (const [index, item] of value.entries()) read(places, item, [...path, String(index)])
  } else if (isObject(value)) {
    for (const [name, item] of Object.entries(value)) read(places, item as Json, [...path, name])
  }
}
