/** Names as one header field can carry them (RFC 9110 §5.5), up to a length; other characters are percent-encoded. */
export function headerList(fields: readonly string[]): string {
  const written = fields.map((field) =>
    field.toWellFormed().replaceAll(/[^\x21-\x2b\x2d-\x7e]/gu, encodeURIComponent),
  )
  let list = ''
  for (const [index, field] of written.entries()) {
    if (list.length + field.length > MAX_LIST) return `${list}, and ${written.length - index} more`
    list += index === 0 ? field : `, ${field}`
  }
  return list
}

/** Characters of a header field, of which clients take some thousand. */
const MAX_LIST = 2_000
