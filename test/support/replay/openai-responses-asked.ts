import type { JsonObject } from '#core/kit/json.ts'
import { AskBuilder, offerOf, partsOf, pictureOf, stated, textOf } from './asked.ts'
import type { Ask } from './conversation.ts'

/** Reads a request of the Responses API. */
export function openaiResponsesAsked(body: JsonObject): Ask {
  const ask = new AskBuilder()
  if (typeof body['instructions'] === 'string') ask.system(body['instructions'])
  const { input } = body
  if (typeof input === 'string') ask.user(input)
  else for (const item of partsOf(input)) readItem(item, ask)
  const text = body['text'] as { format?: { schema?: JsonObject } } | undefined
  const reasoning = body['reasoning'] as { effort?: Ask['effort'] } | undefined
  const tools = body['tools'] as JsonObject[] | undefined
  return ask.done(
    stated({
      tools:
        tools?.length === 0 ? undefined : tools?.map((tool) => offerOf(tool, tool['parameters'])),
      mustCall: body['tool_choice'] === 'required' ? true : undefined,
      schema: text?.format?.schema,
      maxTokens: (body['max_output_tokens'] ?? undefined) as number | undefined,
      effort: reasoning?.effort ?? undefined,
    }),
  )
}

function readItem(item: JsonObject, ask: AskBuilder): void {
  const { type = 'message', role, content, call_id: id, output } = item
  if (type === 'function_call') {
    const input = JSON.parse(item['arguments'] as string) as JsonObject
    ask.assistant({ calls: [{ id: String(id), name: String(item['name']), arguments: input }] })
  } else if (type === 'function_call_output') ask.result(String(id), textOf(output))
  else if (type === 'reasoning') {
    const proof = String(item['encrypted_content'] ?? '')
    ask.assistant({ thought: { text: textOf(item['summary']), proof } })
  } else if (type !== 'message') return
  else if (role === 'system' || role === 'developer') ask.system(textOf(content))
  else if (role === 'assistant') ask.assistant({ text: textOf(content) })
  else for (const part of partsOf(content)) ask.user(textOf([part]), pictureOf(part['image_url']))
}
