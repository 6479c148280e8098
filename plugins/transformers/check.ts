import type { Report } from '#core/sdk.ts'
import { checkPath, checkRule } from './body-rules.ts'
import { compileSchema, FILE_PREFIX, type SchemaSource } from './body-schema.ts'
import { headerProblem } from './header-rules.ts'
import type { Item } from './options.ts'
import { patternProblem } from './text-filter.ts'
import type { Side } from './transform.ts'

type Path = (string | number)[]

/** Says what the schema cannot of a transformer. */
export function checkItem(item: Item, side: Side, path: Path, report: Report): void {
  switch (item.type) {
    case 'validateSchema':
      checkSchema(item.schema, side, [...path, 'schema'], report)
      return
    case 'normalizeResponse':
      for (const field of Object.keys(item.fields))
        checkPath(field, [...path, 'fields', field], report)
      return
    case 'addMetadata':
      if (item.field !== null) checkPath(item.field, [...path, 'field'], report, false)
      return
    case 'filterContent':
      item.patterns.forEach((pattern, index) => {
        const problem = patternProblem(pattern)
        if (problem !== undefined) report.error([...path, 'patterns', index], problem)
      })
      if (item.patterns.length === 0 && item.personalData === false) {
        report.warning(path, 'has neither patterns nor personalData, so it filters nothing')
      }
      return
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

function checkSchema(source: SchemaSource, side: Side, path: Path, report: Report): void {
  if (typeof source === 'string' && source.startsWith(FILE_PREFIX)) return
  try {
    compileSchema(source, side)
  } catch (cause) {
    report.error(path, (cause as Error).message)
  }
}
