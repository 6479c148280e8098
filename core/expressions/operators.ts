import { EXTRA_OPERATORS } from './extra-operators.ts'
import { LIST_OPERATORS } from './list-operators.ts'
import type { Operator } from './operator.ts'
import { STANDARD_OPERATORS } from './standard-operators.ts'

/** The operators of the language, by the name that the oracle knows, except those that read paths. */
export const OPERATORS: ReadonlyMap<string, Operator> = new Map(
  Object.entries({ ...STANDARD_OPERATORS, ...LIST_OPERATORS, ...EXTRA_OPERATORS }),
)

/** Operators that the parser itself understands: they read paths, or hold back evaluation. */
export const PATH_OPERATORS = ['var', 'missing', 'missing_some', 'literal'] as const

/** Words for the symbols that unquoted YAML breaks or drops. */
export const SYNONYMS: ReadonlyMap<string, string> = new Map([
  ['eq', '==='],
  ['ne', '!=='],
  ['gt', '>'],
  ['gte', '>='],
  ['lt', '<'],
  ['lte', '<='],
  ['not', '!'],
  ['add', '+'],
  ['sub', '-'],
  ['mul', '*'],
  ['div', '/'],
  ['mod', '%'],
])

/** What people write who come from another language. */
export const FOREIGN: ReadonlyMap<string, string> = new Map([
  ['&&', 'and'],
  ['||', 'or'],
  ['=', 'eq'],
  ['<>', 'ne'],
  ['??', 'default'],
  ['coalesce', 'default'],
  ['equals', 'eq'],
  ['concat', 'cat'],
  ['contains', 'in: [what, where]'],
  ['includes', 'in: [what, where]'],
  ['regex', 'matches'],
  ['match', 'matches'],
  ['any', 'some'],
  ['size', 'length'],
  ['count', 'length'],
])
