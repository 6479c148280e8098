import type { Json } from '../../kit/json.ts'
import type { ClientDialect, TextKind } from '../dialect.ts'
import { TEXT_FORMATS } from './index.ts'
import { requestPlaces } from './requests.ts'
import { type Place, writeAt } from './text-format.ts'

/** Gives what takes the place of a text. */
export type Rewrite = (text: string, kind: TextKind) => string

/** A request's body with its texts rewritten: what the model is told, by whomever. The same where none changed. */
export function rewriteRequest(dialect: ClientDialect, body: Json, rewrite: Rewrite): Json {
  return rewritten(body, requestPlaces(dialect, body), rewrite)
}

/** A plain answer with its texts rewritten. The same where none changed. */
export function rewriteAnswer(dialect: ClientDialect, body: Json, rewrite: Rewrite): Json {
  const format = TEXT_FORMATS[dialect]
  return rewritten(body, format.places(body, true), rewrite, (json, place) =>
    format.forget(json, place),
  )
}

function rewritten(
  body: Json,
  places: readonly Place[],
  rewrite: Rewrite,
  forget: (json: Json, place: Place) => Json = (json) => json,
): Json {
  let changed = body
  for (const place of places) {
    const text = rewrite(place.text, place.kind)
    if (text !== place.text) changed = forget(writeAt(changed, place, text), place)
  }
  return changed
}
