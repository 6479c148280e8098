/**
 * True where a JSON object names a member twice, at any depth. RFC 7515 §4 lets a reader take the last one or refuse;
 * we refuse, since another reader of the same token may take the first. `text` must be valid JSON.
 */
export function hasDuplicateMembers(text: string): boolean {
  /** The members of each object that is open; undefined for a list. */
  const open: (Set<string> | undefined)[] = []
  let isName = false
  for (let at = 0; at < text.length; at++) {
    switch (text[at]) {
      case '{':
        open.push(new Set())
        isName = true
        break
      case '[':
        open.push(undefined)
        isName = false
        break
      case '}':
      case ']':
        open.pop()
        isName = false
        break
      case ',':
        isName = open.at(-1) !== undefined
        break
      case '"': {
        const end = endOfString(text, at)
        if (isName) {
          // Escapes are undone: `"\u0061"` and `"a"` are one name.
          const name = JSON.parse(text.slice(at, end + 1)) as string
          const names = open.at(-1)!
          if (names.has(name)) return true
          names.add(name)
          isName = false
        }
        at = end
        break
      }
    }
  }
  return false
}

function endOfString(text: string, start: number): number {
  let at = start + 1
  while (text[at] !== '"') at += text[at] === '\\' ? 2 : 1
  return at
}
