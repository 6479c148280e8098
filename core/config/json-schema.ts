import type { Plugin } from '../sdk.ts'
import type { JsonObject } from '../kit/json.ts'
import { GATEWAY, RESERVED } from './gateway-schema.ts'
import type { Schema } from './schema.ts'

const DRAFT = 'https://json-schema.org/draft/2020-12/schema'

/** What a value may be in the file besides what it must be in the end. */
const INTERPOLATED = { type: 'string', pattern: '\\$\\{' }

/**
 * The JSON Schema (2020-12) of gateway.yaml, for editors: with the options of the given plugins, and with `${…}`
 * accepted wherever a number, a choice or a pattern is. `x-kind` and `x-scope` stay in as annotations.
 */
export function gatewaySchema(plugins: readonly Plugin[]): JsonObject {
  const { pipelines, routes, ...properties } = forEditors(GATEWAY)['properties'] as JsonObject
  const steps = { type: 'array', items: { $ref: '#/$defs/step' } }
  const definitions = plugins.map((plugin): [string, JsonObject] => [
    `plugin:${plugin.name}`,
    optionsSchema(plugin),
  ])
  return {
    $schema: DRAFT,
    title: 'gateway.yaml',
    description: 'The config of a Sluice gateway.',
    type: 'object',
    additionalProperties: false,
    required: [...GATEWAY.required],
    properties: {
      ...properties,
      pipelines: { ...(pipelines as JsonObject), additionalProperties: steps },
      routes: withSteps(routes as JsonObject, steps),
    },
    $defs: { step: stepSchema(plugins), ...Object.fromEntries(definitions) },
  }
}

/** The JSON Schema (2020-12) of one plugin's options, with what every step takes. */
export function pluginSchema(plugin: Plugin): JsonObject {
  return { $schema: DRAFT, title: plugin.name, ...optionsSchema(plugin) }
}

function optionsSchema({ schema, summary }: Plugin): JsonObject {
  const whole = {
    ...schema,
    description: summary,
    properties: { ...schema.properties, ...RESERVED },
  }
  return forEditors(whole)
}

/** A step is a bare name, a map from one plugin's name to its options, or `use`. */
function stepSchema(plugins: readonly Plugin[]): JsonObject {
  const names = plugins.map(({ name, summary }) => ({ const: name, description: summary }))
  const options = plugins.map(({ name, summary }): [string, JsonObject] => [
    name,
    {
      description: summary,
      anyOf: [{ $ref: `#/$defs/plugin:${name}` }, { type: 'null' }],
    },
  ])
  return {
    description: 'One configured use of a plugin.',
    anyOf: [
      ...(names.length > 0 ? [{ type: 'string', anyOf: names }] : []),
      {
        type: 'object',
        minProperties: 1,
        maxProperties: 1,
        properties: {
          use: { type: 'string', description: 'Puts the steps of another pipeline here.' },
          ...Object.fromEntries(options),
        },
        // Third-party plugins are known to the config that names them, and not here.
        additionalProperties: { type: ['object', 'null'] },
      },
    ],
  }
}

function withSteps(routes: JsonObject, steps: JsonObject): JsonObject {
  const route = routes['items'] as JsonObject
  const properties = route['properties'] as JsonObject
  const { default: none, description } = properties['pipeline'] as JsonObject
  const pipeline: JsonObject = {
    anyOf: [{ type: 'string' }, steps],
    default: none!,
    description: description!,
  }
  return { ...routes, items: { ...route, properties: { ...properties, pipeline } } }
}

/** A schema as editors need it: the same, but for `${…}` in the place of what is not any text. */
function forEditors(schema: Schema): JsonObject {
  const { properties, additionalProperties, items, anyOf, ...rest } = schema
  const copy: JsonObject = structuredClone(rest) as JsonObject
  if (properties !== undefined) copy['properties'] = mapValues(properties, forEditors)
  if (additionalProperties !== undefined) {
    copy['additionalProperties'] =
      typeof additionalProperties === 'boolean'
        ? additionalProperties
        : forEditors(additionalProperties)
  }
  if (items !== undefined) copy['items'] = forEditors(items)
  if (anyOf !== undefined) copy['anyOf'] = anyOf.map(forEditors)
  return takesNoText(schema) ? interpolatable(copy) : copy
}

function interpolatable(schema: JsonObject): JsonObject {
  const { description, default: value, examples, ...form } = schema
  const annotations = { description, default: value, examples }
  const given = Object.entries(annotations).filter(([, one]) => one !== undefined)
  return { ...(Object.fromEntries(given) as JsonObject), anyOf: [form, INTERPOLATED] }
}

/** True for a scalar that some texts are no value of. Constants tell branches apart, and are written out. */
function takesNoText({ type, enum: values, pattern }: Schema): boolean {
  if (values !== undefined || pattern !== undefined) return true
  const types = typeof type === 'string' ? [type] : (type ?? [])
  return types.some((one) => one === 'number' || one === 'integer' || one === 'boolean')
}

function mapValues<T>(
  map: { readonly [name: string]: T },
  change: (value: T) => JsonObject,
): JsonObject {
  return Object.fromEntries(Object.entries(map).map(([key, value]) => [key, change(value)]))
}
