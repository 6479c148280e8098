import type { GuestRun } from './guest.ts'

/** What a plugin's guest is told. */
export interface PluginGuestSettings {
  readonly allow: readonly string[]
  readonly step: { readonly plugin: string; readonly id: string; readonly place: string }
  /** Characters of a result; lines of the log in one call, and characters of one. */
  readonly output: number
  readonly lines: number
  readonly lineLength: number
}

/**
 * Runs inside the isolate: calls the hooks of a plugin of somebody else's. Its text is what goes in, so it uses nothing
 * from outside itself. A hook that waits for the host ends its turn with what it wants; the answer is another turn.
 */
export function pluginGuest(
  settings: PluginGuestSettings,
  module: { readonly default?: unknown },
): GuestRun {
  const { keys } = Object
  const { parse, stringify } = JSON
  const { isArray } = Array
  type Map_ = Record<string, unknown>
  type Hook = (...args: unknown[]) => unknown

  /** A call that is not over. */
  interface Call {
    readonly id: number
    isOver: boolean
    value: unknown
    failure: Map_ | undefined
    wants: Map_[]
  }

  const plugin = module.default as Map_ | undefined
  const waiting = new Map<number, Call>()
  const requests = new Map<number, { resolve(value: unknown): void; reject(cause: Error): void }>()
  let hooks: Map_ = {}
  let ids = 0
  let now = 0
  let lines: Map_[] = []
  let dropped = 0
  let current: Call | undefined

  function run(text: string): string {
    const order = parse(text) as Map_
    now = (order['now'] as number | undefined) ?? now
    switch (order['op']) {
      case 'describe':
        return begin(describe)
      case 'setup':
        return begin(() => setUp(order['options']))
      case 'hooks':
        return begin(() => keys(hooks).filter((name) => hooks[name] !== undefined))
      case 'close':
        return begin(() => (hooks['close'] as Hook | undefined)?.())
      case 'call':
        return begin(() =>
          (hooks[order['hook'] as string] as Hook)(...(order['args'] as unknown[])),
        )
      case 'resume':
        return resume(order)
      default:
        return settle(waiting.get(order['id'] as number) as Call)
    }
  }

  /** P and a number where it is over only once the microtasks have run: it is asked again then. */
  function begin(act: () => unknown): string {
    const call: Call = { id: ++ids, isOver: false, value: undefined, failure: undefined, wants: [] }
    current = call
    lines = []
    dropped = 0
    try {
      const value = act()
      if (typeof (value as Map_ | null | undefined)?.['then'] === 'function') {
        waiting.set(call.id, call)
        ;(value as Promise<unknown>).then(
          (late) => end(call, late),
          (cause: unknown) => end(call, undefined, told(cause)),
        )
        return `P${call.id}`
      }
      end(call, value)
    } catch (cause) {
      end(call, undefined, told(cause))
    }
    return settle(call)
  }

  function end(call: Call, value: unknown, failure?: Map_): void {
    call.isOver = true
    call.value = value
    call.failure = failure
  }

  function resume(order: Map_): string {
    const call = waiting.get(order['id'] as number) as Call
    current = call
    for (const answer of order['answers'] as Map_[]) {
      const request = requests.get(answer['request'] as number)
      requests.delete(answer['request'] as number)
      if (answer['error'] === undefined) request?.resolve(answer['value'] ?? undefined)
      else request?.reject(new Error(answer['error'] as string))
    }
    return `P${call.id}`
  }

  function settle(call: Call): string {
    if (!call.isOver && call.wants.length > 0) {
      return stringify({ waits: call.id, wants: call.wants.splice(0) })
    }
    waiting.delete(call.id)
    const said = { lines, dropped }
    if (!call.isOver)
      return stringify({ failed: { message: 'it waits for what will never come' }, ...said })
    if (call.failure !== undefined) return stringify({ failed: call.failure, ...said })
    let text: string
    try {
      text = stringify({ value: call.value, ...said })
    } catch (cause) {
      text = stringify({ failed: told(cause), ...said })
    }
    if (text.length <= settings.output) return text
    const message = `its result has ${text.length} characters, and at most ${settings.output} are accepted`
    return stringify({ failed: { message }, ...said })
  }

  /** The plugin as far as it is data. */
  function describe(): unknown {
    if (plugin === undefined) throw new Error('it has no default export')
    const functions = keys(plugin).filter((name) => typeof plugin[name] === 'function')
    return { ...plugin, functions }
  }

  function setUp(options: unknown): unknown {
    const { check, setup } = plugin as { check?: Hook; setup: Hook }
    const problems: string[] = []
    const report = (path: unknown, message: unknown) =>
      void problems.push(`${isArray(path) ? path.join('.') : ''} ${String(message)}`.trim())
    check?.(options, { error: report, warning: () => undefined })
    if (problems.length > 0) throw new Error(problems.join('; '))
    const keep = (made: unknown) => {
      hooks = (made ?? {}) as Map_
    }
    const made = setup(options, hostOf())
    if (typeof (made as Map_ | null)?.['then'] !== 'function') return keep(made)
    return (made as Promise<unknown>).then(keep)
  }

  function hostOf(): Map_ {
    const host: Map_ = {
      step: settings.step,
      now: () => now,
      random: Math.random,
      log: { debug: log('debug'), info: log('info'), warn: log('warn'), error: log('error') },
    }
    if (settings.allow.includes('store')) {
      host['store'] = {
        keyValue: (name: unknown = '') => ({
          get: (key: unknown) => ask({ do: 'get', name, key }),
          set: (key: unknown, value: unknown, ttlMs: unknown) =>
            ask({ do: 'set', name, key, value, ttlMs }),
          delete: (key: unknown) => ask({ do: 'delete', name, key }),
        }),
      }
    }
    if (settings.allow.includes('fetch')) {
      host['fetch'] = (url: unknown, options: unknown) => ask({ do: 'fetch', url, options })
    }
    return new Proxy(host, {
      get(target, name) {
        const value = Reflect.get(target, name) as unknown
        if (value !== undefined || typeof name === 'symbol') return value
        throw new Error(`host.${name} is not granted to it`)
      },
    })
  }

  function log(level: string) {
    return (message: unknown, fields: unknown) => {
      if (lines.length === settings.lines) dropped++
      else {
        const text = stringify(fields ?? {}) ?? '{}'
        const kept = text.length > settings.lineLength ? '{}' : text
        lines.push({
          level,
          message: String(message).slice(0, settings.lineLength),
          fields: parse(kept),
        })
      }
    }
  }

  function ask(want: Map_): Promise<unknown> {
    const request = ++ids
    return new Promise((resolve, reject) => {
      requests.set(request, { resolve, reject })
      current?.wants.push({ ...want, request })
    })
  }

  /** What is said of a failure; a GatewayError is a refusal. */
  function told(cause: unknown): Map_ {
    try {
      const { name, message, stack, code, status, headers, param } = cause as Map_
      const isRefusal = name === 'GatewayError'
      return {
        message: String(message ?? cause).slice(0, 1_000),
        stack: (typeof stack === 'string' ? stack : '').slice(0, 4_000),
        ...(isRefusal ? { code, status, headers, param } : {}),
      }
    } catch {
      return { message: 'it threw something that cannot be read' }
    }
  }

  return run
}
