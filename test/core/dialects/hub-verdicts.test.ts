import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { CLIENT_DIALECTS, PROVIDER_DIALECTS } from '#core/dialects/dialect.ts'
import { CONCEPTS, conceptOf, verdictOf } from '#core/dialects/hub/verdicts.ts'
import { targetsOf } from '#core/dialects/operations.ts'

const TARGETS = targetsOf([...CLIENT_DIALECTS, ...PROVIDER_DIALECTS])

/** The names of an interface's fields in a package's type declarations. */
function fieldsOf(path: string, name: string): string[] {
  const source = readFileSync(new URL(`../../../node_modules/${path}`, import.meta.url), 'utf8')
  const start = source.search(new RegExp(`interface ${name}(?:<[^>]*>)? (?:extends [^{]*)?\\{`))
  expect(start, `${name} is in ${path}`).toBeGreaterThan(-1)
  // Up to the brace that closes the interface, at its own indentation.
  const indent = /[ \t]*$/.exec(
    source.slice(0, start).replace(/(?:export )?(?:declare )?$/, ''),
  )![0]
  const body = source.slice(start, source.indexOf(`\n${indent}}`, start))
  const field = new RegExp(`^${indent}    (\\w+)\\??:`, 'gm')
  return [...body.matchAll(field)].map((match) => match[1]!)
}

const CHAT = 'openai/resources/chat/completions/completions.d.ts'
const RESPONSES = 'openai/resources/responses/responses.d.ts'
const MESSAGES = '@anthropic-ai/sdk/resources/messages/messages.d.ts'
const BETA = '@anthropic-ai/sdk/resources/beta/messages/messages.d.ts'
const GENAI = '@google/genai/dist/genai.d.ts'

/** What Google's SDK keeps for itself. */
const CLIENT_SIDE = new Set([
  'abortSignal',
  'automaticContinuation',
  'automaticFunctionCalling',
  'httpOptions',
])

describe("fields of the official SDKs' requests", () => {
  it.each([
    ['openai-chat', CHAT, 'ChatCompletionCreateParamsBase', 30],
    ['openai-responses', RESPONSES, 'ResponseCreateParamsBase', 28],
    ['anthropic', MESSAGES, 'MessageCreateParamsBase', 19],
    ['anthropic', BETA, 'MessageCreateParamsBase', 28],
  ] as const)('all have a verdict: %s of %s', (dialect, path, name, least) => {
    const fields = fieldsOf(path, name)
    expect(fields.length).toBeGreaterThanOrEqual(least)
    expect(fields.filter((field) => conceptOf(dialect, field) === undefined)).toEqual([])
  })

  it('all have a verdict: gemini, whose config is spread over the body', () => {
    const fields = fieldsOf(GENAI, 'GenerateContentConfig').filter(
      (field) => !CLIENT_SIDE.has(field),
    )
    expect(fields.length).toBeGreaterThan(30)
    const unknown = fields.filter(
      (field) =>
        conceptOf('gemini', field) === undefined &&
        conceptOf('gemini', `generationConfig.${field}`) === undefined,
    )
    expect(unknown).toEqual([])
  })
})

describe('the table', () => {
  it.each(CONCEPTS.map((concept) => ({ concept })))(
    'has a verdict for each target, and a reason unless mapped: $concept',
    ({ concept }) => {
      for (const target of TARGETS) {
        const { reason, verdict } = verdictOf(concept, target)
        expect(['mapped', 'emulated', 'dropped', 'refused']).toContain(verdict)
        expect(verdict === 'mapped' || reason !== '').toBe(true)
      }
    },
  )

  it('knows no field by accident of its name', () => {
    expect(conceptOf('openai-chat', 'constructor')).toBeUndefined()
    expect(conceptOf('anthropic', '__proto__')).toBeUndefined()
  })
})
