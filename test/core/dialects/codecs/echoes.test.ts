import { describe, expect, it } from 'vitest'
import { CODECS } from '#core/dialects/codecs/index.ts'
import type { CodecName, Proof } from '#core/dialects/hub/conversation.ts'
import { newCrossing } from '#core/dialects/hub/crossing.ts'
import { sealProof } from '#core/dialects/hub/proof.ts'
import type { Json, JsonObject } from '#core/kit/json.ts'

/** What the upstream gets of a conversation that a client hands back. */
function sent(client: CodecName, target: CodecName, body: Json, model: string): JsonObject {
  const request = { ...CODECS[client].decodeRequest(body, { model })!, model }
  const crossing = newCrossing(request, target, { requestId: 'r1', created: 1 })
  return CODECS[target].encodeRequest(request, crossing)
}

/** A proof as clients of another provider get it in an answer of Gemini's form. */
function sealedByGemini(proof: Proof): string {
  const request = CODECS.gemini.decodeRequest({ contents: [] }, { model: 'm' })!
  const crossing = newCrossing(request, 'anthropic', { requestId: 'r1', created: 1 })
  const answer = CODECS.gemini.encodeAnswer(
    {
      id: '',
      model: 'm',
      parts: [{ type: 'reasoning', text: 'Hm', proof }],
      finish: { reason: 'stop', raw: '' },
    },
    crossing,
  )
  const { candidates } = answer as unknown as { candidates: { content: { parts: JsonObject[] } }[] }
  return candidates[0]!.content.parts.at(-1)!['thoughtSignature'] as string
}

const CALL = { id: 'c1', name: 'look', args: {} }

function withParts(parts: JsonObject[], response: JsonObject): JsonObject {
  return {
    contents: [
      { role: 'user', parts: [{ text: 'Hi' }] },
      { role: 'model', parts: [...parts, { functionCall: CALL }] },
      { role: 'user', parts: [{ functionResponse: { id: 'c1', name: 'look', response } }] },
    ],
    generationConfig: { thinkingConfig: { thinkingLevel: 'HIGH' } },
  }
}

describe('a client of Gemini hands back', () => {
  it('thoughts in the pieces in which they were streamed, with the proof on the last', () => {
    const proof = {
      provider: 'anthropic',
      family: 'claude',
      kind: 'signature',
      data: 'Ei==',
    } as const
    const parts = [
      { text: 'Let me ', thought: true },
      { text: 'see', thought: true },
      { text: '', thought: true, thoughtSignature: sealedByGemini(proof) },
    ]
    const body = sent('gemini', 'anthropic', withParts(parts, { output: 'x' }), 'claude-sonnet-4-6')
    const [, assistant] = body['messages'] as unknown as { content: JsonObject[] }[]
    expect(assistant!.content).toMatchObject([
      { type: 'thinking', thinking: 'Let me see', signature: 'Ei==' },
      { type: 'tool_use', id: 'c1' },
    ])
  })

  it.each([
    ['in a field of its own', { output: 'cold' }, 'cold'],
    ['beside the name, as the AI SDK does', { name: 'look', content: 'cold' }, 'cold'],
    ['as an object', { name: 'Zürich', content: 'cold' }, '{"name":"Zürich","content":"cold"}'],
  ])('a result %s', (_, response, text) => {
    const body = sent('gemini', 'openai-chat', withParts([], response), 'gpt-4.1')
    expect((body['messages'] as JsonObject[]).at(-1)).toMatchObject({ role: 'tool', content: text })
  })
})

describe('a client of Messages hands back', () => {
  const signature = sealProof({ provider: 'openai', family: 'gpt', kind: 'encrypted', data: 'gA' })
  const thought = { type: 'thinking', thinking: 'Hm', signature }
  const call = { type: 'tool_use', id: 't1', name: 'look', input: {} }
  const result = { type: 'tool_result', tool_use_id: 't1', content: 'cold' }
  const thinking = { type: 'enabled', budget_tokens: 1024 }

  it('thoughts of another model to one that thinks by a budget', () => {
    const messages = [
      { role: 'user', content: 'Hi' },
      { role: 'assistant', content: [thought] },
      { role: 'user', content: 'Go on' },
      { role: 'assistant', content: [thought, call] },
      { role: 'user', content: [result] },
    ]
    const body = { model: 'claude-sonnet-4-5', max_tokens: 2000, thinking, messages }
    expect(sent('anthropic', 'anthropic', body, 'claude-sonnet-4-5')).toEqual({
      model: 'claude-sonnet-4-5',
      max_tokens: 2000,
      messages: [
        { role: 'user', content: 'Hi' },
        { role: 'user', content: 'Go on' },
        { role: 'assistant', content: [call] },
        { role: 'user', content: [result] },
      ],
    })
  })
})

describe('what only one provider takes stays away from others', () => {
  const signed = { functionCall: CALL, thoughtSignature: 'CiQ=' }
  const body = {
    contents: [
      { role: 'user', parts: [{ text: 'Hi' }] },
      { role: 'model', parts: [signed] },
      { role: 'user', parts: [{ functionResponse: { id: 'c1', name: 'look', response: {} } }] },
    ],
  }

  it.each([
    ['gpt-4.1', false],
    ['gemini-3-pro', true],
  ])('the signature of a call, to %s: %s', (model, isSent) => {
    const { messages } = sent('gemini', 'openai-chat', body, model) as { messages: JsonObject[] }
    const [call] = messages[1]!['tool_calls'] as JsonObject[]
    expect(call).toEqual({
      id: 'c1',
      type: 'function',
      function: { name: 'look', arguments: '{}' },
      ...(isSent ? { extra_content: { google: { thought_signature: 'CiQ=' } } } : {}),
    })
  })

  it('a cache marker on what an assistant has said', () => {
    const marked = [{ type: 'text', text: 'Hello', cache_control: { type: 'ephemeral' } }]
    const messages = [
      { role: 'user', content: 'Hi' },
      { role: 'assistant', content: marked },
      { role: 'user', content: 'So?' },
    ]
    const { input } = sent('anthropic', 'openai-responses', { messages, max_tokens: 99 }, 'gpt-5.6')
    expect((input as JsonObject[])[1]).toMatchObject({
      content: [{ type: 'output_text', text: 'Hello', annotations: [] }],
    })
    expect(JSON.stringify(input)).not.toContain('prompt_cache_breakpoint')
  })
})

describe('a client of Chat Completions hands back', () => {
  const assistant = {
    role: 'assistant',
    content: 'Cold.',
    reasoning_content: 'Let me see',
    reasoning_details: [
      {
        type: 'reasoning.text',
        text: '',
        signature: 'Ei==',
        format: 'anthropic-claude-v1',
        index: 0,
      },
    ],
  }

  it('a proof without the words that it is of, which stand beside it', () => {
    const messages = [{ role: 'user', content: 'Hi' }, assistant, { role: 'user', content: 'So?' }]
    const body = sent('openai-chat', 'anthropic', { messages }, 'claude-sonnet-4-6')
    expect((body['messages'] as JsonObject[])[1]).toEqual({
      role: 'assistant',
      content: [
        { type: 'thinking', thinking: 'Let me see', signature: 'Ei==' },
        { type: 'text', text: 'Cold.' },
      ],
    })
  })
})

describe('a client of the Responses API hands back', () => {
  it.each(['openai-chat', 'anthropic', 'gemini'] as const)(
    'a reference to what only OpenAI could have stored, and hears what to do: %s',
    (target) => {
      const input = [
        { role: 'user', content: 'Hi' },
        { type: 'item_reference', id: 'msg_1' },
      ]
      const request = CODECS['openai-responses'].decodeRequest({ model: 'm', input })!
      const crossing = newCrossing(request, target, { requestId: 'r1', created: 1 })
      CODECS[target].encodeRequest(request, crossing)
      const reasons = crossing.report.refusals().map(({ reason }) => reason)
      expect(reasons.join('\n')).toContain('store: false')
    },
  )
})

describe('a refusal in words of Chat Completions', () => {
  const message = { role: 'assistant', content: null, refusal: 'No.' }
  const plain = { choices: [{ index: 0, message, finish_reason: 'stop' }] }
  const deltas = [
    { choices: [{ index: 0, delta: { refusal: 'No.' }, finish_reason: null }] },
    { choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] },
  ]

  function crossing(client: CodecName) {
    const request = { ...CODECS['openai-chat'].decodeRequest({ messages: [] })!, source: client }
    return newCrossing(request, 'openai-chat', { requestId: 'r1', created: 1 })
  }

  it('is no answer like any other to clients that only have a reason for it', () => {
    const way = crossing('gemini')
    const answer = CODECS['openai-chat'].decodeAnswer(plain, way)!
    const told = CODECS.gemini.encodeAnswer(answer, way)
    expect((told['candidates'] as JsonObject[])[0]).toMatchObject({ finishReason: 'SAFETY' })
    const decoder = CODECS['openai-chat'].streamDecoder(crossing('gemini'))
    const finish = deltas.flatMap((event) => decoder.push(event)).at(-1)
    expect(finish).toMatchObject({ type: 'finish', finish: { reason: 'contentFilter' } })
  })

  it('of the Responses API ends as OpenAI ends it', () => {
    const way = crossing('openai-chat')
    const parts = [{ type: 'refusal', text: 'No.' }] as const
    const finish = { reason: 'contentFilter', raw: 'completed' } as const
    const told = CODECS['openai-chat'].encodeAnswer({ id: '', model: 'm', parts, finish }, way)
    expect(told['choices']).toMatchObject([{ message: { refusal: 'No.' }, finish_reason: 'stop' }])
    const encoder = CODECS['openai-chat'].streamEncoder(way)
    const events = [
      { type: 'blockStart', block: 0, head: { type: 'refusal' } },
      { type: 'blockDelta', block: 0, delta: { type: 'text', text: 'No.' } },
      { type: 'blockStop', block: 0 },
      { type: 'finish', finish },
    ] as const
    const last = events.flatMap((event) => encoder.push(event)).at(-1)!
    expect(JSON.parse(last.data)).toMatchObject({ choices: [{ finish_reason: 'stop' }] })
  })
})
