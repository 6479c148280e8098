/** One call that an example promises something of. */
export interface Trial {
  /** As the reader would type it. */
  readonly command: string
  readonly status: number
  /** Part of the answer's head or body. */
  readonly part: string
}

/** A call, taken apart. */
export interface Call {
  readonly url: URL
  readonly method: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | undefined
}

/** The calls in the comment above an example. Throws for one without a promise. */
export function trialsOf(yaml: string): readonly Trial[] {
  const comment = yaml.slice(0, yaml.search(/^[^#]/m))
  const lines = comment.split('\n').map((line) => line.replace(/^# ?/, ''))
  const calls = lines.flatMap((line, index) => (line.startsWith('try: ') ? [index] : []))
  return calls.map((index) => {
    const command = lines[index]!.slice('try: '.length)
    const promise = /^expect: (?<status>\d{3}) (?<part>.+)$/.exec(lines[index + 1] ?? '')?.groups
    if (promise === undefined) throw new Error(`nothing is expected of: ${command}`)
    return { command, status: Number(promise['status']), part: promise['part']! }
  })
}

/** Understands the part of curl and wscat that examples use. Throws for any other. */
export function parseCall(command: string): Call {
  const [program, ...words] = wordsOf(command)
  if (program !== 'curl' && program !== 'wscat') throw new Error(`unknown program: ${command}`)
  const headers: Record<string, string> = {}
  let method: string | undefined
  let body: string | undefined
  let url: string | undefined
  for (let at = 0; at < words.length; at++) {
    const word = words[at]!
    const next = () => words[++at] ?? ''
    if (word === '-H') Object.assign(headers, headerOf(next()))
    else if (word === '-X') method = next()
    else if (word === '-x') body = next()
    else if (word === '-c') url = next()
    else if (word === '--json') {
      body = next()
      Object.assign(headers, { 'content-type': 'application/json' })
    } else if (word.startsWith('-') || url !== undefined) throw new Error(`unknown word: ${word}`)
    else url = word
  }
  method ??= body === undefined || program === 'wscat' ? 'GET' : 'POST'
  return { url: new URL(url?.replace(/^(?!\w+:\/\/)/, 'http://') ?? ''), method, headers, body }
}

/** Splits as a shell does, where nothing but single quotes is used. */
function wordsOf(command: string): string[] {
  const words = [...command.matchAll(/'(?<quoted>[^']*)'|(?<plain>[^\s'"\\$`]+)/g)]
  return words.map(({ groups }) => groups?.['quoted'] ?? groups?.['plain'] ?? '')
}

function headerOf(line: string): Record<string, string> {
  const [, name = '', value = ''] = /^([^:]+):\s*(.*)$/.exec(line) ?? []
  return { [name]: value }
}
