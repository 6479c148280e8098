import type { Plugin } from '../sdk.ts'
import { isObject } from '../kit/json.ts'
import { RESERVED } from './gateway-schema.ts'
import { STAGES } from './stages.ts'

/** The keywords that a schema of options may use, with how far a schema lies below each. */
const KEYWORDS: Readonly<Record<string, 'plain' | 'schema' | 'list' | 'map'>> = {
  type: 'plain',
  title: 'plain',
  description: 'plain',
  default: 'plain',
  examples: 'plain',
  enum: 'plain',
  const: 'plain',
  anyOf: 'list',
  properties: 'map',
  required: 'plain',
  additionalProperties: 'schema',
  propertyNames: 'schema',
  minProperties: 'plain',
  maxProperties: 'plain',
  items: 'schema',
  minItems: 'plain',
  maxItems: 'plain',
  uniqueItems: 'plain',
  minimum: 'plain',
  exclusiveMinimum: 'plain',
  maximum: 'plain',
  minLength: 'plain',
  maxLength: 'plain',
  pattern: 'plain',
  'x-kind': 'plain',
  'x-scope': 'plain',
  'x-scope-from': 'plain',
}

/**
 * What is wrong with a plugin itself, in words for its author. A keyword that the loader would pass over is an
 * error: an option that is not checked as its schema says is worse than a plugin that does not load.
 */
export function pluginFaults(name: string, plugin: Plugin): readonly string[] {
  if (!isObject(plugin)) return ['has no default export made by definePlugin']
  const faults: string[] = []
  if (plugin.name !== name) faults.push(`calls itself ${JSON.stringify(plugin.name)}`)
  if (name === 'use') faults.push('cannot be called use, which splices a pipeline')
  if (!STAGES.includes(plugin.stage)) faults.push(`has no stage out of ${STAGES.join(', ')}`)
  if (typeof plugin.setup !== 'function') faults.push('has no setup')
  const { schema } = plugin
  if (!isObject(schema) || schema.type !== 'object' || !isClosed(schema)) {
    return [...faults, 'needs a schema of the type object with additionalProperties: false']
  }
  for (const key of Object.keys(RESERVED)) {
    if (Object.hasOwn(schema.properties ?? {}, key))
      faults.push(`has an option ${key}, which is reserved`)
  }
  return [...faults, ...unknownKeywords(schema, 'schema')]
}

/** A plugin in plain JavaScript may say anything. */
function isClosed({ additionalProperties }: { additionalProperties?: unknown }): boolean {
  return additionalProperties === false
}

function unknownKeywords(schema: unknown, place: string): string[] {
  if (!isObject(schema)) return []
  return Object.entries(schema).flatMap(([keyword, value]) => {
    const below = `${place}.${keyword}`
    switch (Object.hasOwn(KEYWORDS, keyword) ? KEYWORDS[keyword] : undefined) {
      case undefined:
        return [`uses ${keyword} in ${place}, which schemas of options do not have`]
      case 'schema':
        return unknownKeywords(value, below)
      case 'list':
        return Array.isArray(value) ? value.flatMap((one) => unknownKeywords(one, below)) : []
      case 'map':
        return Object.entries(value ?? {}).flatMap(([key, one]) =>
          unknownKeywords(one, `${below}.${key}`),
        )
      default:
        return []
    }
  })
}
