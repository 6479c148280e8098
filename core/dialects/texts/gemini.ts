import { isObject, type Json, type JsonObject } from '../../kit/json.ts'
import { removePath } from '../../kit/paths.ts'
import {
  addJsonPlace,
  addPlace,
  indexOf,
  joined,
  mapsOf,
  type Place,
  type TextFormat,
} from './text-format.ts'

/** generateContent: each event is an answer of its own, and a plain answer may be a list of them. */
export const geminiTexts: TextFormat = {
  repeats: false,

  places(json, isWhole) {
    const places: Place[] = []
    if (Array.isArray(json)) {
      for (const [index, one] of mapsOf(json)) readAnswer(places, one, [index], 'whole')
    } else if (isObject(json)) readAnswer(places, json, [], isWhole ? 'whole' : 'piece')
    return joined(places)
  },

  ends(json, { choice, block }) {
    return candidatesOf(json).some(([position, candidate]) => {
      if (indexOf(candidate, position) !== choice) return false
      if ((candidate['finishReason'] ?? null) !== null) return true
      // A candidate tells one thing after the other.
      return partsOf(candidate).some(([, part]) => blockOf(part, choice) !== block)
    })
  },

  piece(event, place, text) {
    const { usageMetadata: _usage, candidates: _candidates, ...head } = event
    const part = { text, ...(place.kind === 'reasoning' && { thought: true }) }
    const content = { parts: [part], role: 'model' }
    return { ...head, candidates: [{ content, index: place.choice }] }
  },

  forget(json, { paths }) {
    let left = json
    for (const path of paths) {
      const candidate = path.slice(0, path.indexOf('candidates') + 2)
      for (const name of ['logprobsResult', 'avgLogprobs']) {
        left = removePath(left, [...candidate, name])
      }
    }
    return left
  },
}

function readAnswer(
  places: Place[],
  answer: Record<string, unknown>,
  at: readonly (string | number)[],
  form: 'piece' | 'whole',
): void {
  for (const [position, candidate] of candidatesOf(answer as JsonObject)) {
    const choice = indexOf(candidate, position)
    const path = [...at, 'candidates', position]
    for (const [index, part] of partsOf(candidate)) {
      const block = blockOf(part, choice)
      const kind = part['thought'] === true ? 'reasoning' : 'text'
      const here = [...path, 'content', 'parts', index]
      addPlace(places, part['text'], [...here, 'text'], { kind, choice, block, form })
      if (isObject(part['functionCall'])) {
        const call = `${block}.${path.join('.')}.${index}`
        addJsonPlace(places, part['functionCall']['args'], [...here, 'functionCall', 'args'], {
          choice,
          block: call,
        })
      }
    }
    readQuotes(places, candidate, path, choice)
  }
}

/** Where the answer is grounded, the sentences in question are given again. */
function readQuotes(
  places: Place[],
  candidate: Record<string, unknown>,
  path: readonly (string | number)[],
  choice: number,
): void {
  const grounding = candidate['groundingMetadata']
  if (!isObject(grounding)) return
  for (const [index, support] of mapsOf(grounding['groundingSupports'])) {
    if (!isObject(support['segment'])) continue
    const here = [...path, 'groundingMetadata', 'groundingSupports', index, 'segment', 'text']
    const block = `${choice}.quote.${here.join('.')}`
    addPlace(places, support['segment']['text'], here, {
      kind: 'quote',
      choice,
      block,
      form: 'whole',
    })
  }
}

function candidatesOf(answer: Json): [number, Record<string, unknown>][] {
  return isObject(answer) ? mapsOf(answer['candidates']) : []
}

function partsOf(candidate: Record<string, unknown>): [number, Record<string, unknown>][] {
  return isObject(candidate['content']) ? mapsOf(candidate['content']['parts']) : []
}

function blockOf(part: Record<string, unknown>, choice: number): string {
  if (typeof part['text'] !== 'string') return `${choice}.other`
  return part['thought'] === true ? `${choice}.thought` : `${choice}.text`
}
