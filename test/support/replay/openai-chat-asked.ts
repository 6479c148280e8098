import type { JsonObject } from '#core/kit/json.ts'
import { AskBuilder, offerOf, partsOf, pictureOf, stated, textOf } from './asked.ts'
import type { Ask } from './conversation.ts'

/** Reads a request of Chat Completions. */
export function openaiChatAsked(body: JsonObject): Ask {
  const ask = new AskBuilder()
  for (const message of body['messages'] as JsonObject[]) readMessage(message, ask)
  const format = body['response_format'] as { json_schema?: { schema: JsonObject } } | undefined
  const tools = body['tools'] as { function: JsonObject }[] | undefined
  const stop = body['stop'] as string | string[] | undefined
  return ask.done(
    stated({
      tools: tools?.map(({ function: offer }) => offerOf(offer, offer['parameters'])),
      mustCall: body['tool_choice'] === 'required' ? true : undefined,
      schema: format?.json_schema?.schema,
      stop: typeof stop === 'string' ? [stop] : stop,
      maxTokens: (body['max_completion_tokens'] ?? body['max_tokens']) as number | undefined,
      effort: body['reasoning_effort'] as Ask['effort'],
    }),
  )
}

function readMessage(message: JsonObject, ask: AskBuilder): void {
  const { role, content, tool_calls: calls, reasoning_content: thought } = message
  if (role === 'system' || role === 'developer') ask.system(textOf(content))
  else if (role === 'tool') ask.result(String(message['tool_call_id']), textOf(content))
  else if (role === 'user') {
    for (const part of partsOf(content)) {
      const image = part['image_url'] as JsonObject | undefined
      ask.user(textOf([part]), pictureOf(image?.['url']))
    }
  } else {
    ask.assistant({
      text: textOf(content),
      ...(typeof thought === 'string' ? { thought: { text: thought, proof: '' } } : {}),
      calls: partsOf(calls).map(({ id, function: told }) => {
        const { name, arguments: input } = told as { name: string; arguments: string }
        return { id: String(id), name, arguments: JSON.parse(input) as JsonObject }
      }),
    })
  }
}
