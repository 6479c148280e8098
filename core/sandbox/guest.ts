import type { GuestChanges } from './guest-changes.ts'

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
 * itself but what it is given, and of the isolate only what was there before any script was.
 *
 * A script sees a copy of the exchange and changes it in place; what is different afterwards is the result. Each call
 * runs the texts of script and libraries anew, so that they keep nothing.
 */
export function guest(
  limits: GuestLimits,
  imports: GuestImports,
  units: readonly ((...given: unknown[]) => unknown)[],
  sha256: (text: string) => string,
  changes: GuestChanges,
): GuestRun {
  const { freeze, hasOwn, keys, isFrozen } = Object
  const { parse, stringify } = JSON
  const { notesOf, isAsNoted, changed, changedBody, put } = changes
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
      set: (path: unknown, value: unknown) => put(call.view, path, value),
      remove: (path: unknown) => put(call.view, path, undefined),
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

  /** True for a part of an answer or session, of which nothing but itself can be changed. */
  function isPiece(view: Map): boolean {
    return view['hook'] === 'chunk' || view['hook'] === 'message'
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
  return run
}
