import type { JsonObject } from '../../kit/json.ts'
import type { Crossing } from './codec.ts'
import type { HubRequest } from './request.ts'

const NAME = 'json'

/**
 * A JSON schema as a tool that the model must call, for models that cannot be told one: the tool's arguments are the
 * answer. `taken` are the names of the other tools. The crossing keeps the name, so that the call is unwrapped again.
 */
export function schemaAsTool(
  taken: readonly unknown[],
  { origins, output }: HubRequest,
  crossing: Crossing,
): { readonly name: string; readonly description: string; readonly parameters: JsonObject } {
  const field = origins.output ?? 'output'
  const schema = output?.type === 'jsonSchema' ? output.schema : {}
  if (schema['type'] !== undefined && schema['type'] !== 'object') {
    crossing.report.note('refused', field, 'the model answers in objects only')
  }
  crossing.report.note('emulated', field, 'the schema is told as a tool that the model must call')
  const name = taken.includes(NAME) ? `${NAME}_answer` : NAME
  crossing.schemaTool = name
  const parameters = { type: 'object', ...schema }
  return { name, description: 'Respond with a JSON object.', parameters }
}
