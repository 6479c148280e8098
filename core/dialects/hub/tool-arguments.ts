import { isObject, type JsonObject } from '../../kit/json.ts'
import type { ToolCallPart } from './conversation.ts'
import { parseJson } from './fields.ts'

/** The call's arguments as an object; undefined where their text is not one. Free text is wrapped as `{ input }`. */
export function argumentsObject(call: ToolCallPart): JsonObject | undefined {
  if (call.input !== undefined) return call.input
  if (call.kind === 'custom') return { input: call.arguments }
  if (call.arguments.trim() === '') return {}
  const value = parseJson(call.arguments)
  return isObject(value) ? value : undefined
}

/** The `input` of arguments that a model gave to a wrapped custom tool; the whole text where it has none. */
export function unwrapInput(text: string): string {
  const value = parseJson(text)
  return isObject(value) && typeof value['input'] === 'string' ? value['input'] : text
}

/** Follows a JSON text piece by piece, and knows when its outermost object or list is complete. */
export class JsonProgress {
  #depth = 0
  #isInString = false
  #isEscaped = false
  #isComplete = false

  get isComplete(): boolean {
    return this.#isComplete
  }

  push(text: string): void {
    for (const character of text) {
      if (this.#isInString) this.#inString(character)
      else if (character === '"') this.#isInString = true
      else if (character === '{' || character === '[') this.#depth++
      else if (character === '}' || character === ']') {
        this.#depth--
        if (this.#depth === 0) this.#isComplete = true
      }
    }
  }

  #inString(character: string): void {
    if (this.#isEscaped) this.#isEscaped = false
    else if (character === '\\') this.#isEscaped = true
    else if (character === '"') this.#isInString = false
  }
}
