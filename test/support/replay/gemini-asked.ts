import type { JsonObject } from '#core/kit/json.ts'
import { AskBuilder, offerOf, partsOf, stated, textOf } from './asked.ts'
import type { Ask, Call } from './conversation.ts'

/** Reads a request of generateContent. */
export function geminiAsked(body: JsonObject): Ask {
  const ask = new AskBuilder()
  const instruction = body['systemInstruction'] as JsonObject | undefined
  for (const part of partsOf(instruction?.['parts'])) ask.system(textOf([part]))
  const calls: Call[] = []
  for (const { role, parts } of body['contents'] as JsonObject[]) {
    for (const part of partsOf(parts)) readPart(part, String(role), ask, calls)
  }
  const config = (body['generationConfig'] ?? {}) as JsonObject
  const choice = (body['toolConfig'] as { functionCallingConfig?: { mode: string } } | undefined)
    ?.functionCallingConfig
  const thinking = config['thinkingConfig'] as { thinkingLevel?: string } | undefined
  const tools = (body['tools'] as { functionDeclarations?: JsonObject[] }[] | undefined)?.flatMap(
    ({ functionDeclarations = [] }) => functionDeclarations,
  )
  return ask.done(
    stated({
      tools: tools?.map((tool) =>
        offerOf(tool, tool['parametersJsonSchema'] ?? tool['parameters']),
      ),
      mustCall: choice?.mode === 'ANY' ? true : undefined,
      schema: (config['responseJsonSchema'] ?? config['responseSchema']) as JsonObject | undefined,
      stop: config['stopSequences'] as string[] | undefined,
      maxTokens: config['maxOutputTokens'] as number | undefined,
      effort: thinking?.thinkingLevel?.toLowerCase() as Ask['effort'],
    }),
  )
}

function readPart(part: JsonObject, role: string, ask: AskBuilder, calls: Call[]): void {
  const { text, thought, functionCall, functionResponse, inlineData, thoughtSignature } = part
  const proof = String(thoughtSignature ?? '')
  if (functionResponse !== undefined) {
    const { id, name, response } = functionResponse as Record<string, JsonObject & string>
    const at = calls.findIndex((call) => (id === undefined ? call.name === name : call.id === id))
    const [call] = calls.splice(at, 1)
    ask.result(call?.id ?? id ?? '', outputOf(response!), name)
  } else if (functionCall !== undefined) {
    const { id, name, args } = functionCall as Record<string, JsonObject & string>
    const call: Call = { id: id ?? '', name: name!, arguments: args ?? {} }
    calls.push(call)
    ask.assistant({ calls: [call], ...(proof === '' ? {} : { thought: { text: '', proof } }) })
  } else if (thought === true) ask.assistant({ thought: { text: String(text), proof } })
  else if (role === 'model') {
    ask.assistant({
      text: String(text ?? ''),
      ...(proof === '' ? {} : { thought: { text: '', proof } }),
    })
  } else {
    const image = inlineData as { mimeType: string; data: string } | undefined
    ask.user(
      textOf([part]),
      image === undefined ? undefined : { type: image.mimeType, data: image.data },
    )
  }
}

/** Clients wrap what is no object under a name of their own. */
function outputOf(response: JsonObject): string {
  const told = response['output'] ?? response['content'] ?? response['result']
  return typeof told === 'string' ? told : JSON.stringify(response)
}
