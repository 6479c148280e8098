import type { TextKind } from '../dialect.ts'
import { isObject } from '../../kit/json.ts'
import { addJsonPlace, addPlace, mapsOf, type Place, type TextFormat } from './text-format.ts'

/** Fields of a block, or of what is added to one, that hold text. */
const FIELDS: readonly [name: string, kind: TextKind, delta: string][] = [
  ['text', 'text', 'text_delta'],
  ['thinking', 'reasoning', 'thinking_delta'],
  ['partial_json', 'arguments', 'input_json_delta'],
]

/** The Messages API. */
export const anthropicTexts: TextFormat = {
  repeats: false,

  places(json, isWhole) {
    if (!isObject(json)) return []
    const places: Place[] = []
    if (isWhole) {
      for (const [index, block] of mapsOf(json['content'])) {
        readBlock(places, block, ['content', index], index, 'whole')
        addJsonPlace(places, block['input'], ['content', index, 'input'], {
          choice: 0,
          block: String(index),
        })
      }
      return places
    }
    const { type, index } = json
    if (typeof index !== 'number') return places
    const name = type === 'content_block_start' ? 'content_block' : 'delta'
    if (isObject(json[name])) readBlock(places, json[name], [name], index, 'piece')
    return places
  },

  ends(json, { block }) {
    if (!isObject(json)) return false
    const { type, index } = json
    if (type === 'message_delta' || type === 'message_stop') return true
    return type === 'content_block_stop' && index === Number(block)
  },

  piece(_event, { block, kind }, text) {
    const [name, , type] = FIELDS.find((field) => field[1] === kind)!
    return { type: 'content_block_delta', index: Number(block), delta: { type, [name]: text } }
  },

  forget: (json) => json,
}

function readBlock(
  places: Place[],
  block: Record<string, unknown>,
  at: readonly (string | number)[],
  index: number,
  form: 'piece' | 'whole',
): void {
  for (const [name, kind] of FIELDS) {
    addPlace(places, block[name], [...at, name], { kind, choice: 0, block: String(index), form })
  }
}
