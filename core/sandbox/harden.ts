/**
 * Runs inside the isolate, before anything else does: nothing that one call changes can be seen by the next. Its text
 * is what goes in, so it uses nothing from outside itself.
 *
 * Taken away: what evaluates text (also by way of `constructor`), what runs later than the call (WeakRef's kin), memory
 * that the isolate's limit does not count (WebAssembly, shared and growing buffers), waiting (Atomics), and what V8
 * remembers of the last match of a regular expression. All that is left is frozen.
 */
export function harden(): void {
  const root = globalThis as unknown as Record<string, unknown>
  const { defineProperty, freeze, getOwnPropertyDescriptor, getPrototypeOf } = Object
  const { ownKeys } = Reflect

  for (const name of [
    'Atomics',
    'FinalizationRegistry',
    'SharedArrayBuffer',
    'WeakRef',
    'WebAssembly',
    'escape',
    'eval',
    'unescape',
    'console',
  ]) {
    delete root[name]
  }

  // `RegExp.$1` and its like show the last match, of whichever call it was.
  for (const name of ownKeys(RegExp)) {
    if (name === 'length' || name === 'name' || name === 'prototype' || name === 'escape') continue
    if (typeof name === 'string') delete (RegExp as unknown as Record<string, unknown>)[name]
  }

  const buffers = ArrayBuffer.prototype as unknown as Record<string, unknown>
  for (const name of ['resize', 'transfer', 'transferToFixedLength']) delete buffers[name]
  const Plain = ArrayBuffer
  const Fixed = function (this: unknown, length: unknown) {
    if (new.target === undefined) throw new TypeError('ArrayBuffer needs new')
    return Reflect.construct(Plain, [length], new.target)
  }
  tame('ArrayBuffer', Plain, Fixed)
  defineProperty(Fixed, 'isView', { value: Plain.isView })

  for (const sample of [
    function () {},
    function* () {},
    async function () {},
    async function* () {},
  ]) {
    const prototype = getPrototypeOf(sample) as object
    const own = (prototype as { constructor: object }).constructor
    const refuse = function () {
      throw new TypeError('a script makes no code from text')
    }
    tame(own === Function ? 'Function' : undefined, own, refuse)
  }

  /** Puts another constructor in the place of one, for whoever finds it by its name or from an instance. */
  function tame(name: string | undefined, from: object, to: object): void {
    const { prototype } = from as { prototype: object }
    defineProperty(to, 'prototype', { value: prototype, writable: false, configurable: false })
    defineProperty(prototype, 'constructor', { value: to, writable: false, configurable: false })
    if (name !== undefined) defineProperty(root, name, { value: to })
  }

  // A frozen prototype refuses `object.name = …` on what inherits from it. These are names that programs do assign.
  for (const prototype of [
    Object.prototype,
    Error.prototype,
    ...[
      EvalError,
      RangeError,
      ReferenceError,
      SyntaxError,
      TypeError,
      URIError,
      AggregateError,
    ].map((one) => one.prototype),
  ]) {
    for (const key of ownKeys(prototype)) allowOverride(prototype, key)
  }

  function allowOverride(prototype: object, key: string | symbol): void {
    const found = getOwnPropertyDescriptor(prototype, key)
    if (found === undefined || !('value' in found) || found.configurable !== true) return
    const { value } = found
    defineProperty(prototype, key, {
      enumerable: false,
      configurable: false,
      get: () => value,
      set(this: object, changed: unknown) {
        if (this === prototype) throw new TypeError(`${String(key)} cannot be changed`)
        defineProperty(this, key, {
          value: changed,
          writable: true,
          enumerable: true,
          configurable: true,
        })
      },
    })
  }

  // Newer than the types that the gateway is checked with.
  const helpers = root['Iterator'] as {
    from(source: object): { map(change: () => unknown): object }
  }
  const done = new Set<unknown>()
  const waiting: unknown[] = [
    globalThis,
    ...[
      [][Symbol.iterator](),
      new Map()[Symbol.iterator](),
      new Set()[Symbol.iterator](),
      ''[Symbol.iterator](),
      'a'.matchAll(/a/g),
      function* () {},
      async function () {},
      async function* () {},
      new Intl.Segmenter().segment('a'),
      new Intl.Segmenter().segment('a')[Symbol.iterator](),
      helpers.from({ next: () => ({ done: true, value: undefined }) }),
      helpers.from([]).map(() => undefined),
    ].map((sample) => getPrototypeOf(sample) as object),
  ]
  const isSlot = (value: unknown) =>
    (typeof value === 'object' && value !== null) || typeof value === 'function'
  while (waiting.length > 0) {
    const one = waiting.pop()
    if (!isSlot(one) || done.has(one)) continue
    done.add(one)
    waiting.push(getPrototypeOf(one))
    const keys = ownKeys(one as object)
    // Most are functions with nothing else to them, and each isolate goes through all of it.
    if (keys.length === 2 && keys[0] === 'length' && keys[1] === 'name') continue
    for (const key of keys) {
      const { value, get, set } = getOwnPropertyDescriptor(one, key) as PropertyDescriptor
      waiting.push(value, get, set)
    }
  }
  for (const one of done) freeze(one)
}
