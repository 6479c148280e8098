import type { Json, JsonObject } from '../../kit/json.ts'
import type { CodecName, Native } from '../hub/conversation.ts'

/** An object as it came: nothing is known of its fields. */
export type Wire = Readonly<Record<string, Json | undefined>>

/**
 * A `native` property of what the hub has no word for: fields that are not `known`, and known ones that are null.
 * Nothing where there is none of either, and no form.
 */
export function rest(
  dialect: CodecName,
  value: Wire,
  known: ReadonlySet<string>,
  form?: string,
): { native?: Native } {
  let fields: JsonObject | undefined
  for (const [key, field] of Object.entries(value)) {
    if (field === null || (field !== undefined && !known.has(key))) (fields ??= {})[key] = field
  }
  if (fields === undefined && form === undefined) return {}
  return {
    native: {
      dialect,
      ...(fields === undefined ? {} : { fields }),
      ...(form === undefined ? {} : { form }),
    },
  }
}
