import { Ajv2020 } from 'ajv/dist/2020.js'
import { pluginSchema } from '#core/config/json-schema.ts'
import type { Schema } from '#core/config/schema.ts'
import { compile } from '#core/expressions/compile.ts'
import type { Json } from '#core/kit/json.ts'
import type { Plugin } from '#core/sdk.ts'

const ajv = new Ajv2020({ strict: false, allErrors: true })

/** Maps that accept keys which they do not list. */
export function findOpenMaps({ schema }: Plugin): string[] {
  return parts(schema).flatMap(([path, one]) => {
    const isMap = one.type === 'object' && one.properties !== undefined
    return isMap && one.additionalProperties === undefined ? [`${path}: accepts any other key`] : []
  })
}

/** Options without words. */
export function findUndescribed({ schema }: Plugin): string[] {
  return parts(schema).flatMap(([path, { properties = {} }]) =>
    Object.entries(properties)
      .filter(([, one]) => !/^[A-Z`'"*].*[.:)]$/s.test(one.description ?? ''))
      .filter(([, one]) => one.const === undefined)
      .map(([name]) => `${path}.${name}: has no sentence that describes it`),
  )
}

/** Defaults and examples that the schema itself refuses. */
export function findBadSamples(plugin: Plugin): string[] {
  const whole = ajv.validateSchema(pluginSchema(plugin))
  const problems = whole ? [] : [`schema: ${ajv.errorsText(ajv.errors)}`]
  for (const [path, one] of parts(plugin.schema)) {
    const samples = [...(one.examples ?? []), ...(one.default === undefined ? [] : [one.default])]
    for (const sample of samples) {
      if (!accepts(one, sample)) problems.push(`${path}: refuses its own ${JSON.stringify(sample)}`)
    }
  }
  return problems
}

function accepts(schema: Schema, sample: Json): boolean {
  if (!ajv.validate(schema, sample)) return false
  const scope = schema['x-scope']
  return scope === undefined || compile(sample, { scope }).expression !== undefined
}

/** A schema and everything in it, by path. */
function parts(schema: Schema, path = 'options'): [string, Schema][] {
  const { properties = {}, additionalProperties: rest, items, anyOf = [] } = schema
  return [
    [path, schema],
    ...Object.entries(properties).flatMap(([name, one]) => parts(one, `${path}.${name}`)),
    ...(typeof rest === 'object' ? parts(rest, `${path}.*`) : []),
    ...(items ? parts(items, `${path}[]`) : []),
    ...anyOf.flatMap((one, index) => parts(one, `${path}(${index})`)),
  ]
}
