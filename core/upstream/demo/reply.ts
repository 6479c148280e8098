import type { Ask, Tool } from './ask.ts'
import { sampleOf } from './sample.ts'
import { countTokens, cutToTokens } from './tokens.ts'

/** What the demo answers, before it is put in a dialect. */
export interface Reply {
  readonly text: string
  /** In place of the text. */
  readonly call: { readonly name: string; readonly json: string } | undefined
  /** True where the text was cut at the client's token limit. */
  readonly isCut: boolean
  readonly inputTokens: number
  readonly outputTokens: number
}

/** An echo says at most so much of what it heard. */
const ECHO_LENGTH = 500

/**
 * Decides on an answer: a tool's result is quoted; a tool is called when the client forces one, or when the user
 * names one; JSON is answered where it was asked for; all else is an introduction and an echo, or `text`. The same
 * ask gets the same answer.
 */
export function replyTo(ask: Ask, text: string | undefined): Reply {
  const tool = ask.toolResult === undefined ? chooseTool(ask) : undefined
  if (tool !== undefined) {
    const json = JSON.stringify(sampleOf(tool.schema ?? { type: 'object' }) ?? {})
    const outputTokens = countTokens(tool.name + json)
    const call = { name: tool.name, json }
    return { text: '', call, isCut: false, inputTokens: ask.inputTokens, outputTokens }
  }
  const whole = wordsFor(ask, text)
  const cut = ask.maxTokens === undefined ? whole : cutToTokens(whole, ask.maxTokens)
  return {
    text: cut,
    call: undefined,
    isCut: cut.length < whole.length,
    inputTokens: ask.inputTokens,
    outputTokens: countTokens(cut),
  }
}

function chooseTool({ tools, toolChoice, said }: Ask): Tool | undefined {
  if (toolChoice === 'none') return undefined
  if (typeof toolChoice === 'object') return tools.find(({ name }) => name === toolChoice.name)
  const named = tools.find(({ name }) => mentions(said, name))
  return named ?? (toolChoice === 'any' ? tools[0] : undefined)
}

/** True where the text has the name as a word of its own: `call get_weather`. */
function mentions(text: string, name: string): boolean {
  if (name === '') return false
  for (let at = text.indexOf(name); at !== -1; at = text.indexOf(name, at + 1)) {
    if (!isWordPart(text[at - 1]) && !isWordPart(text[at + name.length])) return true
  }
  return false
}

function isWordPart(letter: string | undefined): boolean {
  return letter !== undefined && /[\w-]/.test(letter)
}

function wordsFor({ json, toolResult, said }: Ask, text: string | undefined): string {
  if (json !== undefined) {
    return JSON.stringify(
      json.schema === undefined ? { answer: shorten(said) } : sampleOf(json.schema),
    )
  }
  if (text !== undefined) return text
  if (toolResult !== undefined) return `The tool answered: ${shorten(toolResult)}`
  const heard = said === '' ? 'You said nothing.' : `You said: ${shorten(said)}`
  return (
    `This is Sluice's demo upstream: no model, no key, no network. ${heard}\n\n` +
    'For a real answer, export OPENAI_API_KEY or ANTHROPIC_API_KEY and start Sluice again; ' +
    '`upstreams` and `routes` in gateway.yaml decide who is asked.'
  )
}

function shorten(text: string): string {
  if (text.length <= ECHO_LENGTH) return text
  // A surrogate pair must not be cut in two.
  return `${text.slice(0, ECHO_LENGTH).replace(/[\uD800-\uDBFF]$/, '')}…`
}
