import type { JsonObject } from '#core/kit/json.ts'
import { AskBuilder, offerOf, partsOf, stated, textOf } from './asked.ts'
import type { Ask, Image } from './conversation.ts'

/** Reads a request of Messages. */
export function anthropicAsked(body: JsonObject): Ask {
  const ask = new AskBuilder()
  for (const block of partsOf(body['system'])) ask.system(textOf([block]))
  for (const { role, content } of body['messages'] as JsonObject[]) {
    for (const block of partsOf(content)) readBlock(block, String(role), ask)
  }
  const config = body['output_config'] as
    | { format?: { schema?: JsonObject }; effort?: Ask['effort'] }
    | undefined
  const tools = body['tools'] as JsonObject[] | undefined
  const choice = body['tool_choice'] as { type: string } | undefined
  return ask.done(
    stated({
      tools: tools?.map((tool) => offerOf(tool, tool['input_schema'])),
      mustCall: choice?.type === 'any' ? true : undefined,
      schema: config?.format?.schema,
      stop: body['stop_sequences'] as string[] | undefined,
      maxTokens: body['max_tokens'] as number,
      effort: config?.effort,
    }),
  )
}

function readBlock(block: JsonObject, role: string, ask: AskBuilder): void {
  const { type, id, name, input } = block
  if (type === 'tool_result') ask.result(String(block['tool_use_id']), textOf(block['content']))
  else if (type === 'tool_use') {
    ask.assistant({
      calls: [{ id: String(id), name: String(name), arguments: input as JsonObject }],
    })
  } else if (type === 'thinking') {
    const thought = { text: String(block['thinking']), proof: String(block['signature']) }
    ask.assistant({ thought })
  } else if (role === 'assistant') ask.assistant({ text: textOf([block]) })
  else ask.user(textOf([block]), imageOf(block))
}

function imageOf({ source }: JsonObject): Image | undefined {
  if (source === undefined) return undefined
  const { media_type: type, data } = source as { media_type: string; data: string }
  return { type, data }
}
