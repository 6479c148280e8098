import { expected } from '../../config/wording.ts'
import type { Schema } from '../../config/schema.ts'
import type { Json } from '../../kit/json.ts'
import type { Plugin } from '../../sdk.ts'

/** The table of a plugin's options for its README, from the schema's own sentences. */
export function optionsTable({ schema }: Plugin): string {
  const rows = optionRows(schema, '')
  if (rows.length === 0) return 'None.'
  return table(['option', 'type', 'default', 'what it does'], rows)
}

/** The table of all plugins for plugins/README.md. */
export function pluginsTable(plugins: readonly Plugin[]): string {
  const rows = plugins.map(({ name, stage, summary }) => [
    `[${name}](${name}/README.md)`,
    stage,
    cell(summary),
  ])
  return table(['name', 'stage', 'what it does'], rows)
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [head, head.map(() => '---'), ...rows]
  return lines.map((cells) => `| ${cells.join(' | ')} |`).join('\n')
}

/** One row for each option, then for each option below it, by its path. */
function optionRows(schema: Schema, prefix: string): string[][] {
  const { properties = {}, required = [] } = schema
  return Object.entries(properties).flatMap(([name, option]) => {
    // The constant that tells branches apart stands in the path of the others.
    if (option.const !== undefined) return []
    const path = `${prefix}${name}`
    const isRequired = required.includes(name)
    return [optionRow(path, option, isRequired), ...rowsBelow(option, path)]
  })
}

function optionRow(path: string, option: Schema, isRequired: boolean): string[] {
  const { description = '', examples } = option
  const example = examples?.[0]
  const text =
    example === undefined ? description : `${description} For example \`${inline(example)}\`.`
  return [`\`${path}\``, cell(typeOf(option)), presetOf(option, isRequired), cell(text)]
}

function rowsBelow(schema: Schema, path: string): string[][] {
  const { properties, additionalProperties, items, anyOf } = schema
  return [
    ...(properties ? optionRows(schema, `${path}.`) : []),
    ...(typeof additionalProperties === 'object'
      ? rowsBelow(additionalProperties, `${path}.NAME`)
      : []),
    ...(items ? rowsBelow(items, `${path}[]`) : []),
    ...(anyOf ?? []).flatMap((branch) => rowsBelow(branch, `${path}${tagOf(branch)}`)),
  ]
}

/** ` (type: addHeaders)` for a branch that a constant tells from the others. */
function tagOf({ properties = {} }: Schema): string {
  const tag = Object.entries(properties).find(([, option]) => option.const !== undefined)
  return tag === undefined ? '' : `{${tag[0]}: ${inline(tag[1].const!)}}`
}

function typeOf(schema: Schema): string {
  const { 'x-kind': kind, const: constant, enum: values, anyOf, items, type } = schema
  if (kind === 'duration' || kind === 'bytes') return kind === 'bytes' ? 'size' : kind
  if (kind !== undefined) return kind
  if (constant !== undefined) return code(constant)
  if (values !== undefined) return values.map(code).join(', ')
  if (anyOf !== undefined) return [...new Set(anyOf.map(typeOf))].join(' or ')
  if (type === 'array') return items === undefined ? 'list' : `list of ${typeOf(items)}`
  if (type === 'object') return 'map'
  if (type === undefined) return 'anything'
  return expected(typeof type === 'string' ? { type } : { type: [...type] })
}

/** A map whose options stand in rows of their own has the defaults that stand there. */
function presetOf({ default: value, properties }: Schema, isRequired: boolean): string {
  if (value === undefined) return isRequired ? 'required' : ''
  return properties === undefined ? cell(code(value)) : ''
}

function code(value: Json): string {
  return `\`${inline(value)}\``
}

/** As YAML's flow style would have it, which for these values is JSON with fewer quotes. */
function inline(value: Json): string {
  if (typeof value === 'string') return /^[\w$./:-]+$/.test(value) ? value : JSON.stringify(value)
  if (Array.isArray(value)) return `[${value.map(inline).join(', ')}]`
  if (typeof value !== 'object' || value === null) return String(value)
  const entries = Object.entries(value)
  if (entries.length === 0) return '{}'
  return `{ ${entries.map(([key, below]) => `${key}: ${inline(below)}`).join(', ')} }`
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('\n', ' ')
}
