/** What a script may cost, as its guest is told. */
export interface GuestLimits {
  /** Characters of the result. */
  readonly output: number
  /** Lines of `log`, and of one line its characters. */
  readonly lines: number
  readonly lineLength: number
  /** Writes to the store in one call, and characters of one value. */
  readonly writes: number
  readonly valueLength: number
}

/** The imports of each unit: positions of units before it. */
export type GuestImports = readonly (readonly number[])[]

/** Runs one call: JSON lines in, JSON lines out. The first line of both is the head, the rest are bodies. */
export type GuestRun = (text: string) => string

/**
 * Runs inside the isolate: makes the function that a call is. Its text is what goes in, so it uses nothing from outside
 * itself, and of the isolate only what was there before any script was.
 *
 * A script sees a copy of the exchange and changes it in place; what is different afterwards is the result. Each call
 * runs the texts of script and libraries anew, so that they keep nothing.
 */
export function guest(
  limits: GuestLimits,
  imports: GuestImports,
  units: readonly ((...given: unknown[]) => unknown)[],
): GuestRun {
  const { freeze, hasOwn, keys, isFrozen } = Object
  const { parse, stringify } = JSON
  const { isArray } = Array
  /** What is larger is compared as text. */
  const MAX_NOTES = 10_000
  const MAX_NOTED_DEPTH = 100
  type Map = Record<string, unknown>

  /** What a call sees and has come to so far; a new one for each. */
  interface Call {
    view: Map
    deny: { status: number; message: string } | undefined
    upstream: string | undefined
    lines: string[]
    dropped: number
    writes: Map[]
    /** A key of the store that the script asks for and that was not sent along. */
    wants: string | undefined
    isDropped: boolean
    replies: string[]
    close: { code: number; reason: string } | undefined
  }

  /** Ends a script at once. What it says stands in the call, so that a `catch` does not undo it. */
  const END = freeze({ end: true })

  /** The one that runs; a new one once it is over, so that what a script left to run later speaks to nobody. */
  let call = newCall({})

  function newCall(view: Map): Call {
    return {
      view,
      deny: undefined,
      upstream: undefined,
      lines: [],
      dropped: 0,
      writes: [],
      wants: undefined,
      isDropped: false,
      replies: [],
      close: undefined,
    }
  }

  function run(text: string): string {
    try {
      const [headText = '{}', bodyText = '', answerText = ''] = text.split('\n')
      const view = parse(headText) as Map
      call = newCall(view)
      if (!takeBodies(view, bodyText, answerText)) return stringify({ invalid: true })
      freezeGiven(view)
      const notes = notesOf(view)
      const result = runUnits(view)
      if (call.wants !== undefined) return stringify({ wants: call.wants })
      if (result !== undefined && call.deny === undefined) refuseResult(result)
      const out = isAsNoted(view, notes)
        ? outcome(saidIn(call), '')
        : difference(view, headText, bodyText, answerText)
      if (out.length > limits.output)
        throw fail(
          `its result has ${out.length} characters, and at most ${limits.output} are accepted`,
        )
      return out
    } catch (cause) {
      if (call.wants !== undefined) return stringify({ wants: call.wants })
      return stringify({ failed: told(cause), lines: call.lines, dropped: call.dropped })
    } finally {
      call = newCall({})
    }
  }

  /** False where one is no JSON: what a client sent has not been parsed before. */
  function takeBodies(view: Map, bodyText: string, answerText: string): boolean {
    try {
      if (bodyText !== '') (view['req'] as Map)['body'] = parse(bodyText)
      if (answerText !== '') (view['res'] as Map)['body'] = parse(answerText)
      return true
    } catch (cause) {
      if (cause instanceof SyntaxError) return false
      throw cause
    }
  }

  function runUnits(view: Map): unknown {
    const results: unknown[] = []
    const last = units.length - 1
    for (let index = 0; index < last; index++) {
      // Not as a method of the list, which would be its `this`.
      const unit = units[index]!
      results.push(unit(imported(index, results), TOOLS))
    }
    try {
      const unit = units[last]!
      return unit(imported(last, results), TOOLS, view)
    } catch (cause) {
      if (cause === END) return undefined
      throw cause
    }
  }

  function imported(index: number, results: readonly unknown[]): unknown[] {
    return imports[index]!.map((position) => results[position])
  }

  function refuseResult(result: unknown): never {
    const isPromise = typeof (result as Map | null)?.['then'] === 'function'
    throw fail(
      isPromise
        ? 'it returned a promise, and a script is synchronous'
        : 'it returned a value: change what you see, or return deny(status, message)',
    )
  }

  function freezeGiven(view: Map): void {
    for (const name of ['consumer', 'usage', 'env']) deepFreeze(view[name])
    if (view['hook'] !== 'request') deepFreeze(view['req'])
    if (isPiece(view)) for (const name of ['res', 'vars']) deepFreeze(view[name])
  }

  /** The same for all calls, so frozen through and through. */
  function toolsOfCalls(): Map {
    const tools: Map = {
      deny(status: unknown, message: unknown) {
        if (!Number.isInteger(status) || (status as number) < 400 || (status as number) > 599) {
          throw fail('deny takes a status from 400 to 599, and a message')
        }
        call.deny ??= {
          status: status as number,
          message: asText(message ?? 'denied').slice(0, 1_000),
        }
        throw END
      },
      upstream(name: unknown) {
        call.upstream = String(name)
      },
      set: (path: unknown, value: unknown) => put(path, value),
      remove: (path: unknown) => put(path, undefined),
      drop() {
        call.isDropped = true
      },
      reply(text: unknown) {
        call.replies.push(typeof text === 'string' ? text : stringify(text))
      },
      close(code: unknown, reason: unknown) {
        call.close = { code: Number(code), reason: asText(reason ?? '') }
        throw END
      },
      log(...values: unknown[]) {
        if (call.lines.length === limits.lines) call.dropped++
        else call.lines.push(values.map(asText).join(' ').slice(0, limits.lineLength))
      },
      hash: (text: unknown) => sha256(String(text)),
      store: {
        get(key: unknown) {
          const name = keyOf(key)
          const known = knownOfStore()
          if (hasOwn(known, name)) return known[name] ?? undefined
          call.wants = name
          throw END
        },
        set(key: unknown, value: unknown, options: { ttl?: unknown } = {}) {
          const text = stringify(value)
          if (text === undefined) throw fail('it writes to the store what JSON does not have')
          if (text.length > limits.valueLength)
            throw fail(
              `it writes a value of ${text.length} characters to the store, and at most ${limits.valueLength} are accepted`,
            )
          const name = keyOf(key)
          write({ key: name, text, ttl: options.ttl ?? null })
          knownOfStore()[name] = parse(text)
        },
        remove(key: unknown) {
          write({ key: keyOf(key) })
          knownOfStore()[keyOf(key)] = null
        },
      },
    }
    deepFreeze(tools)
    return tools
  }

  /** What the call knows of the store: what was sent along, and what it wrote itself. */
  function knownOfStore(): Map {
    return (call.view['store'] ??= {}) as Map
  }

  function write(entry: Map): void {
    if (call.writes.length === limits.writes)
      throw fail(`it writes to the store more than ${limits.writes} times`)
    call.writes.push(entry)
  }

  function keyOf(key: unknown): string {
    const name = String(key)
    if (name === '' || name.length > 256) throw fail('a key of the store has 1 to 256 characters')
    return name
  }

  /**
   * The head: what was said, and what is different from what was sent. Bodies follow it, one line each, where they
   * differ. Empty where there is nothing.
   */
  function difference(view: Map, headText: string, bodyText: string, answerText: string): string {
    const head = saidIn(call)
    if (call.deny !== undefined) return outcome(head, '')
    const before = parse(headText) as Map
    let body = ''
    if (hasOwn(before, 'vars') && !isPiece(view))
      head['vars'] = changed(before['vars'] as Map, view['vars'])
    if (view['hook'] === 'request') {
      const was = before['req'] as Map
      const req = view['req'] as Map
      for (const name of keys(was)) {
        if (name === 'headers' || name === 'query')
          head[name] = changed(was[name] as Map, req[name] as Map)
        else if (name === 'path') head[name] = req[name] === was[name] ? undefined : req[name]
        else if (req[name] !== was[name] && stringify(req[name]) !== stringify(was[name]))
          throw fail(`it changed req.${name}, which cannot be changed`)
      }
      body = changedBody(bodyText, req['body'], 'req')
    }
    if (view['hook'] === 'response') {
      const had = before['res'] as Map
      const res = view['res'] as Map
      if (res['status'] !== had['status']) head['status'] = res['status']
      if (hasOwn(had, 'headers')) head['headers'] = changed(had['headers'] as Map, res['headers'])
      body = changedBody(answerText, res['body'], 'res')
    }
    for (const name of ['chunk', 'msg']) {
      if (before[name] === undefined) continue
      head[name] = changed(before[name] as Map, view[name])
    }
    return outcome(head, body)
  }

  function outcome(head: Map, body: string): string {
    const text = stringify(head)
    if (body !== '') return `${text}\n${body}`
    return text === '{}' ? '' : text
  }

  /** What a call has said, without what it has not. */
  function saidIn(call: Call): Map {
    const { lines, dropped, writes, deny, upstream, isDropped, replies, close } = call
    const head: Map = {}
    if (deny !== undefined) head['deny'] = deny
    if (lines.length > 0) head['lines'] = lines
    if (dropped > 0) head['dropped'] = dropped
    if (writes.length > 0) head['writes'] = writes
    if (upstream !== undefined) head['upstream'] = upstream
    if (isDropped) head['drop'] = true
    if (replies.length > 0) head['replies'] = replies
    if (close !== undefined) head['close'] = close
    return head
  }

  /** All that a view holds, before the script runs; undefined where that is much. A script that only looks is told by it, without any text. */
  function notesOf(view: Map): unknown[] | undefined {
    const notes: unknown[] = []
    return walk(view, (one) => notes.push(one) < MAX_NOTES, 0) ? notes : undefined
  }

  /** True where it holds the same things still. False where it may not. */
  function isAsNoted(view: Map, notes: readonly unknown[] | undefined): boolean {
    if (notes === undefined) return false
    let at = 0
    return walk(view, (one) => one === notes[at++], 0) && at === notes.length
  }

  /** Shows what a value holds to `see`, in one order, until that says no. True where it said so to none. */
  function walk(value: unknown, see: (one: unknown) => boolean, depth: number): boolean {
    if (!see(value)) return false
    if (typeof value !== 'object' || value === null) return true
    if (depth === MAX_NOTED_DEPTH) return false
    if (isArray(value)) {
      if (!see(value.length)) return false
      for (let at = 0; at < value.length; at++) if (!walk(value[at], see, depth + 1)) return false
      return true
    }
    const names = keys(value)
    if (!see(names.length)) return false
    for (const name of names)
      if (!see(name) || !walk((value as Map)[name], see, depth + 1)) return false
    return true
  }

  /** True for a part of an answer or session, of which nothing but itself can be changed. */
  function isPiece(view: Map): boolean {
    return view['hook'] === 'chunk' || view['hook'] === 'message'
  }

  /** Entries that are not what they were; null for those that are gone. */
  function changed(before: Map | undefined, after: unknown): Map | undefined {
    if (typeof after !== 'object' || after === null)
      throw fail('it put something that is no map in the place of headers, query, vars or the like')
    const now = after as Map
    const had = before ?? {}
    let found: Map | undefined
    for (const name of keys(now)) {
      if (now[name] === had[name] && hasOwn(had, name)) continue
      if (hasOwn(had, name) && stringify(now[name]) === stringify(had[name])) continue
      ;(found ??= {})[name] = now[name] ?? null
    }
    for (const name of keys(had)) {
      if (!hasOwn(now, name)) (found ??= {})[name] = null
    }
    return found
  }

  function changedBody(before: string, body: unknown, root: string): string {
    if (body === undefined && before === '') return ''
    const text = stringify(body)
    if (text === undefined) throw fail(`it set ${root}.body to what JSON does not have`)
    // The client may have written the same in another way.
    const isSame = text === before || (before !== '' && text === stringify(parse(before)))
    return isSame ? '' : text
  }

  function put(path: unknown, value: unknown): void {
    const segments = String(path)
      .split(/[.[\]]+/)
      .filter((one) => one !== '')
    const [root = '', ...rest] = segments
    const last = rest.pop()
    if (!['req', 'res', 'vars', 'chunk', 'msg'].includes(root) || last === undefined) {
      throw fail(
        `${asText(path)} is no path such as req.body.max_tokens, vars.plan or res.headers.x-plan`,
      )
    }
    for (const one of [...rest, last]) {
      if (one === '__proto__' || one === 'constructor' || one === 'prototype')
        throw fail(`${one} is no part of a path`)
    }
    let place = call.view[root] as Map
    for (const one of rest) {
      if (!hasOwn(place, one) || typeof place[one] !== 'object' || place[one] === null) {
        if (value === undefined) return
        place[one] = {}
      }
      place = place[one] as Map
    }
    if (value !== undefined) place[last] = value
    else if (isArray(place)) place.splice(Number(last), 1)
    else delete place[last]
  }

  function deepFreeze(value: unknown): void {
    if (value === null || (typeof value !== 'object' && typeof value !== 'function')) return
    if (isFrozen(value)) return
    freeze(value)
    for (const key of keys(value)) deepFreeze((value as Map)[key])
  }

  function asText(value: unknown): string {
    return typeof value === 'string' ? value : (stringify(value) ?? String(value))
  }

  function fail(message: string): Error {
    return new Error(message)
  }

  /** What is said of a failure. Its getters are the script's own, so they run in here, within its time. */
  function told(cause: unknown): Map {
    let message = 'it threw something that cannot be read'
    let stack = ''
    try {
      const isError = typeof cause === 'object' && cause !== null && 'message' in cause
      message = isError ? asText((cause as Map)['message']) : `it threw ${asText(cause)}`
      if (isError) stack = asText((cause as Map)['stack'])
    } catch {
      // What it threw breaks when it is looked at.
    }
    return { message: message.slice(0, 500), stack: stack.slice(0, 4_000) }
  }

  const TOOLS = toolsOfCalls()
  const ROUNDS = constants()

  /** FIPS 180-4 §5.3.3 and §4.2.2: fractions of the roots of the first primes. */
  function constants(): { start: readonly number[]; rounds: readonly number[] } {
    const start: number[] = []
    const rounds: number[] = []
    const fraction = (value: number) => ((value - Math.floor(value)) * 0x100000000) | 0
    for (let n = 2; rounds.length < 64; n++) {
      let isPrime = true
      for (let d = 2; d * d <= n; d++) if (n % d === 0) isPrime = false
      if (!isPrime) continue
      if (start.length < 8) start.push(fraction(Math.sqrt(n)))
      rounds.push(fraction(Math.cbrt(n)))
    }
    return freeze({ start: freeze(start), rounds: freeze(rounds) })
  }

  /** SHA-256 of the text as UTF-8, in hex. The isolate has no crypto of its own. */
  function sha256(text: string): string {
    const bytes: number[] = []
    for (const letter of text) {
      const code = letter.codePointAt(0) as number
      if (code < 0x80) bytes.push(code)
      else if (code < 0x800) bytes.push(0xc0 | (code >> 6), 0x80 | (code & 63))
      else if (code < 0x10000)
        bytes.push(0xe0 | (code >> 12), 0x80 | ((code >> 6) & 63), 0x80 | (code & 63))
      else
        bytes.push(
          0xf0 | (code >> 18),
          0x80 | ((code >> 12) & 63),
          0x80 | ((code >> 6) & 63),
          0x80 | (code & 63),
        )
    }
    const { length } = bytes
    bytes.push(0x80)
    while (bytes.length % 64 !== 56) bytes.push(0)
    const high = Math.floor(length / 0x20000000)
    const low = (length << 3) >>> 0
    for (const word of [high, low])
      bytes.push(word >>> 24, (word >>> 16) & 255, (word >>> 8) & 255, word & 255)
    const state = [...ROUNDS.start]
    const w = new Int32Array(64)
    for (let at = 0; at < bytes.length; at += 64) block(bytes, at, w, state)
    return state.map((word) => (word >>> 0).toString(16).padStart(8, '0')).join('')
  }

  /** FIPS 180-4 §6.2.2. */
  function block(bytes: readonly number[], at: number, w: Int32Array, state: number[]): void {
    const turn = (value: number, by: number) => (value >>> by) | (value << (32 - by))
    const byte = (index: number) => bytes[at + index] as number
    for (let t = 0; t < 16; t++)
      w[t] =
        (byte(t * 4) << 24) | (byte(t * 4 + 1) << 16) | (byte(t * 4 + 2) << 8) | byte(t * 4 + 3)
    for (let t = 16; t < 64; t++) {
      const x = w[t - 15] as number
      const y = w[t - 2] as number
      const s0 = turn(x, 7) ^ turn(x, 18) ^ (x >>> 3)
      const s1 = turn(y, 17) ^ turn(y, 19) ^ (y >>> 10)
      w[t] = ((w[t - 16] as number) + s0 + (w[t - 7] as number) + s1) | 0
    }
    let [a, b, c, d, e, f, g, h] = state as [
      number,
      number,
      number,
      number,
      number,
      number,
      number,
      number,
    ]
    for (let t = 0; t < 64; t++) {
      const s1 = turn(e, 6) ^ turn(e, 11) ^ turn(e, 25)
      const choice = (e & f) ^ (~e & g)
      const t1 = (h + s1 + choice + (ROUNDS.rounds[t] as number) + (w[t] as number)) | 0
      const s0 = turn(a, 2) ^ turn(a, 13) ^ turn(a, 22)
      const majority = (a & b) ^ (a & c) ^ (b & c)
      h = g
      g = f
      f = e
      e = (d + t1) | 0
      d = c
      c = b
      b = a
      a = (t1 + s0 + majority) | 0
    }
    for (const [index, value] of [a, b, c, d, e, f, g, h].entries())
      state[index] = ((state[index] as number) + value) | 0
  }

  return run
}
