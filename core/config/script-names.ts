/** Names by which a text reaches what it is given without naming it: escapes in identifiers, and our own parameters. */
const INDIRECT = /\\u|\$[itv]\b|\barguments\b/
/** Calls of `set` and `remove` whose path stands there as it is; any other use of them may reach everything. */
const SETTER = /(?<![.\w$])(?:set|remove)(?![\w$])/g
const PLAIN_SETTER = /(?<![.\w$])(?:set|remove)\s*\(\s*(?:'[\w.-]*'|"[\w.-]*")\s*[,)]/g

/**
 * Which fields of a root some texts of JavaScript name, such as `headers` where they say `req.headers`: none where they
 * do not name the root, and undefined where it cannot be told. What is not named here cannot be reached by them; a name
 * in a comment or a string is one too.
 */
export function fieldsNamed(
  texts: readonly string[],
  root: string,
): ReadonlySet<string> | undefined {
  const fields = new Set<string>()
  const name = new RegExp(
    `(?<![\\w$])${root}(?![\\w$])(?:\\s*(?:\\?\\.|\\.(?!\\.))\\s*([A-Za-z_$][\\w$]*))?`,
    'g',
  )
  for (const text of texts) {
    if (INDIRECT.test(text) || count(text, SETTER) !== count(text, PLAIN_SETTER)) return undefined
    for (const [, field] of text.matchAll(name)) {
      if (field === undefined) return undefined
      fields.add(field)
    }
  }
  return fields
}

/** True where they may reach the root. */
export function isNamed(texts: readonly string[], root: string): boolean {
  return fieldsNamed(texts, root)?.size !== 0
}

function count(text: string, pattern: RegExp): number {
  return text.match(pattern)?.length ?? 0
}
