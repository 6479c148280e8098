import type { Report } from '#core/sdk.ts'
import { patternProblem } from './answer-text.ts'
import { checkPath, checkRule } from './body-rules.ts'
import { compileSchema, FILE_PREFIX, type SchemaSource } from './body-schema.ts'
import { headerProblem } from './header-rules.ts'
import type { Input, Output } from './options.ts'

type Path = (string | number)[]

/** Says what the schema cannot of a transformer of requests. */
export function checkInput(item: Input, path: Path, report: Report): void {
  if (item.type === 'validateSchema') checkSchema(item.schema, [...path, 'schema'], report)
  else checkShared(item, path, report)
}

/** Says what the schema cannot of a transformer of answers. */
export function checkOutput(item: Output, path: Path, report: Report): void {
  switch (item.type) {
    case 'normalizeResponse':
      return
    case 'addMetadata':
      if (item.field !== null) checkPath(item.field, [...path, 'field'], report, false)
      return
    case 'filterContent':
      item.patterns.forEach((pattern, index) => {
        const problem = patternProblem(pattern)
        if (problem !== undefined) report.error([...path, 'patterns', index], problem)
      })
      if (item.patterns.length === 0) {
        report.warning(path, 'filterContent has no patterns, so it filters nothing')
      }
      return
    default:
      checkShared(item, path, report)
  }
}

function checkShared(
  item: Exclude<Input, { type: 'validateSchema' }>,
  path: Path,
  report: Report,
): void {
  switch (item.type) {
    case 'addHeaders':
      for (const [name, value] of Object.entries(item.headers)) {
        const problem = headerProblem(name, value)
        if (problem !== undefined) report.error([...path, 'headers', name], problem)
      }
      return
    case 'modifyBody':
      item.rules.forEach((rule, index) => checkRule(rule, [...path, 'rules', index], report))
      return
    case 'removeFields':
      item.fields.forEach((field, index) => checkPath(field, [...path, 'fields', index], report))
  }
}

function checkSchema(source: SchemaSource, path: Path, report: Report): void {
  if (typeof source === 'string' && source.startsWith(FILE_PREFIX)) return
  try {
    compileSchema(source)
  } catch (cause) {
    report.error(path, (cause as Error).message)
  }
}
