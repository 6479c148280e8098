/** What a hostile script comes to. `killed`: only the end of its process stops it, so inline it would hold the gateway. */
export interface Hostile {
  readonly name: string
  readonly code: string
  /** `ok`: it does nothing that matters; `failed`: it throws, inside; the others are limits. */
  readonly ends: 'ok' | 'failed' | 'timeout' | 'memory' | 'killed'
  /** True where it does much before it meets its limit. */
  readonly isHeavy?: boolean
  /** What is said of it; for `ok`, a part of its result. */
  readonly says?: string
}

/** Runs from one end of the machine to the other. Where two limits are near, the first that may be hit stands here. */
export const HOSTILE: readonly Hostile[] = [
  // Loops
  { name: 'while', code: 'while (true) {}', ends: 'timeout' },
  { name: 'for', code: 'for (;;);', ends: 'timeout' },
  { name: 'do', code: 'do {} while (1)', ends: 'timeout' },
  { name: 'label', code: 'a: for (;;) { continue a }', ends: 'timeout' },
  { name: 'try and catch', code: 'for (;;) { try { null.x } catch {} }', ends: 'timeout' },
  {
    name: 'finally',
    code: 'for (;;) { try { throw 1 } catch { continue } finally { continue } }',
    ends: 'timeout',
  },
  {
    name: 'generator',
    code: 'function* all() { for (;;) yield 1 }\nfor (const n of all());',
    ends: 'timeout',
  },
  {
    name: 'iterator',
    code: 'for (const n of { [Symbol.iterator]: () => ({ next: () => ({ done: false }) }) });',
    ends: 'timeout',
  },
  {
    name: 'spread of an iterator',
    code: '[...{ [Symbol.iterator]: () => ({ next: () => ({ done: false }) }) }]',
    ends: 'memory',
  },
  {
    name: 'sort that never agrees',
    code: 'for (;;) Array.from({ length: 1e4 }, (_, n) => n).sort(() => 0.5 - Math.random())',
    ends: 'timeout',
  },
  { name: 'loop in a getter', code: 'const o = { get a() { for (;;); } }\no.a', ends: 'timeout' },
  {
    name: 'loop in a proxy',
    code: 'const p = new Proxy({}, { get() { for (;;); } })\np.a',
    ends: 'timeout',
  },
  { name: 'loop in valueOf', code: 'const n = { valueOf() { for (;;); } } + 1', ends: 'timeout' },
  {
    name: 'loop in toPrimitive',
    code: 'const n = `${{ [Symbol.toPrimitive]() { for (;;); } }}`',
    ends: 'timeout',
  },
  { name: 'loop in a replacer', code: "'a'.replace(/a/, () => { for (;;); })", ends: 'timeout' },
  { name: 'loop in a reviver', code: "JSON.parse('[1]', () => { for (;;); })", ends: 'timeout' },
  { name: 'loop in Date', code: 'for (;;) new Date().toLocaleString()', ends: 'timeout' },
  // Promises
  { name: 'promise that never settles', code: 'new Promise(() => {})', ends: 'ok' },
  {
    name: 'returned promise that never settles',
    code: 'return new Promise(() => {})',
    ends: 'failed',
    says: 'a script is synchronous',
  },
  { name: 'async loop', code: '(async () => { for (;;) await null })()', ends: 'timeout' },
  {
    name: 'loop behind an await',
    code: '(async () => { await null; for (;;); })()',
    ends: 'timeout',
  },
  {
    name: 'then that calls itself',
    code: 'const f = () => void Promise.resolve().then(f)\nf()',
    ends: 'timeout',
  },
  {
    name: 'promises that multiply',
    code: 'const f = () => { Promise.resolve().then(f); Promise.resolve().then(f) }\nf()',
    ends: 'timeout',
  },
  {
    name: 'thenable that loops',
    code: 'Promise.resolve({ then() { for (;;); } })',
    ends: 'timeout',
  },
  {
    name: 'rejection that nobody handles',
    code: "Promise.reject(new Error('no'))",
    ends: 'failed',
    says: 'no',
  },
  {
    name: 'async generator',
    code: '(async () => { for await (const n of (async function* () { for (;;) yield 1 })()); })()',
    ends: 'timeout',
  },
  // Recursion and the stack
  {
    name: 'recursion',
    code: 'const f = () => f() + 1\nf()',
    ends: 'failed',
    isHeavy: true,
    says: 'Maximum call stack',
  },
  {
    name: 'recursion that catches',
    code: 'const f = () => { try { f() } catch { f() } }\nf()',
    ends: 'timeout',
  },
  {
    name: 'recursion in toString',
    code: 'var o = { toString() { return `${o}` } };\nvars.x = `${o}`',
    ends: 'failed',
    isHeavy: true,
    says: 'Maximum call stack',
  },
  {
    name: 'object in a circle',
    code: 'req.body.self = req.body',
    ends: 'failed',
    says: 'circular',
  },
  {
    name: 'deep result',
    code: 'let o = {}\nfor (let n = 0; n < 2e4; n++) o = { o }\nreq.body = o',
    ends: 'failed',
    isHeavy: true,
    says: 'Maximum call stack',
  },
  // Memory
  { name: 'list that grows', code: 'const a = []\nfor (;;) a.push({ a })', ends: 'memory' },
  {
    name: 'list of lists',
    code: 'const a = []\nfor (;;) a.push(new Array(1e5).fill(7))',
    ends: 'memory',
  },
  {
    name: 'map that grows',
    code: 'const m = new Map()\nfor (let n = 0; ; n++) m.set(n, `v${n}`)',
    ends: 'memory',
  },
  {
    name: 'set that grows',
    code: 'const s = new Set()\nfor (let n = 0; ; n++) s.add({ n })',
    ends: 'memory',
  },
  {
    name: 'object that grows',
    code: 'const o = {}\nfor (let n = 0; ; n++) o[`k${n}`] = n',
    ends: 'memory',
  },
  {
    name: 'string that doubles',
    code: "let s = 'x'\nfor (;;) s += s",
    ends: 'failed',
    says: 'Invalid string length',
  },
  {
    name: 'string that is repeated',
    code: "'x'.repeat(2 ** 30)",
    ends: 'failed',
    says: 'Invalid string length',
  },
  {
    name: 'strings that are flattened',
    code: "const a = []\nfor (let n = 0; ; n++) { let s = 'x'.repeat(1e6) + n; s.charCodeAt(5); a.push(s) }",
    ends: 'memory',
  },
  {
    name: '60 MB of JSON',
    code: "const s = '[' + '{\"a\":[1,2]},'.repeat(5e6) + '1]'\nJSON.parse(s)",
    ends: 'killed',
  },
  { name: 'one large list', code: 'new Array(1e8).fill(1)', ends: 'killed' },
  {
    name: 'typed arrays',
    code: 'const a = []\nfor (;;) a.push(new Uint8Array(1e6).fill(1))',
    ends: 'failed',
    isHeavy: true,
    says: 'Array buffer allocation failed',
  },
  {
    name: 'one large buffer',
    code: 'new ArrayBuffer(2e9)',
    ends: 'failed',
    isHeavy: true,
    says: 'Array buffer allocation failed',
  },
  {
    name: 'buffer that grows',
    code: 'new ArrayBuffer(1, { maxByteLength: 2e9 }).resize(1e9)',
    ends: 'failed',
    says: 'resize is not a function',
  },
  {
    name: 'join of holes',
    code: "const a = []\na.length = 1e8\na.join('xxxxxxxxxx')",
    ends: 'failed',
    isHeavy: true,
    says: 'Invalid string length',
  },
  { name: 'bigint', code: 'let n = 2n\nfor (;;) n = n ** 2n', ends: 'killed' },
  {
    name: 'regular expressions',
    code: 'const a = []\nfor (let n = 0; ; n++) a.push(new RegExp(`a{${n}}`.repeat(50)))',
    ends: 'timeout',
  },
  {
    name: 'WebAssembly',
    code: 'new WebAssembly.Memory({ initial: 20_000 })',
    ends: 'failed',
    says: 'WebAssembly is not defined',
  },
  {
    name: 'symbols',
    code: 'const a = []\nfor (let n = 0; ; n++) a.push(Symbol(`${n}`))',
    ends: 'memory',
  },
  {
    name: 'closures',
    code: 'let f = () => 0\nfor (;;) { const g = f; f = () => g }',
    ends: 'memory',
  },
  // Regular expressions
  { name: 'ReDoS, nested', code: "/^(a+)+$/.test('a'.repeat(40) + '!')", ends: 'timeout' },
  { name: 'ReDoS, alternatives', code: "/^(a|a)*$/.test('a'.repeat(40) + '!')", ends: 'timeout' },
  { name: 'ReDoS, back reference', code: "/(x+x+)+y/.test('x'.repeat(40))", ends: 'timeout' },
  { name: 'ReDoS in replace', code: "'a'.repeat(50_000).replace(/(a*)*b/g, '')", ends: 'timeout' },
  { name: 'ReDoS in split', code: "('a'.repeat(40) + '!').split(/(a+)+$/)", ends: 'timeout' },
  // Results
  {
    name: 'huge body',
    code: "req.body = 'x'.repeat(2e6)",
    ends: 'failed',
    isHeavy: true,
    says: 'characters, and at most',
  },
  {
    name: 'huge header',
    code: "req.headers.x = 'x'.repeat(2e6)",
    ends: 'failed',
    isHeavy: true,
    says: 'characters, and at most',
  },
  {
    name: 'huge log',
    code: "for (let n = 0; n < 1000; n++) log('x'.repeat(1e5))",
    ends: 'ok',
    isHeavy: true,
    says: '"dropped":980',
  },
  {
    name: 'huge error',
    code: "throw new Error('x'.repeat(1e6))",
    ends: 'failed',
    isHeavy: true,
    says: 'xxxx',
  },
  { name: 'toJSON that loops', code: 'req.body = { toJSON() { for (;;); } }', ends: 'timeout' },
  {
    name: 'toJSON that grows',
    code: "req.body = { toJSON: () => 'x'.repeat(2e6) }",
    ends: 'failed',
    isHeavy: true,
    says: 'characters, and at most',
  },
  {
    name: 'getter in the body',
    code: "Object.defineProperty(req.body, 'a', { enumerable: true, get() { for (;;); } })",
    ends: 'timeout',
  },
  {
    name: 'proxy for a body',
    code: 'req.body = new Proxy({}, { ownKeys() { for (;;); } })',
    ends: 'timeout',
  },
  {
    name: 'proxy for header fields',
    code: 'req.headers = new Proxy({}, { ownKeys() { for (;;); } })',
    ends: 'timeout',
  },
  { name: 'bigint as a body', code: 'req.body = 5n', ends: 'failed', says: 'BigInt' },
  {
    name: 'symbol as a body',
    code: "req.body = Symbol('x')",
    ends: 'failed',
    says: 'JSON does not have',
  },
  { name: 'function as a header', code: 'req.headers.x = () => 1', ends: 'ok' },
  { name: 'no headers at all', code: 'req.headers = null', ends: 'failed', says: 'no map' },
  // Errors
  {
    name: 'error whose stack loops',
    code: "throw Object.defineProperty(new Error('x'), 'stack', { get() { for (;;); } })",
    ends: 'timeout',
  },
  {
    name: 'error whose message loops',
    code: 'throw { get message() { for (;;); } }',
    ends: 'timeout',
  },
  {
    name: 'error whose message throws',
    code: "throw { get message() { throw 'again' } }",
    ends: 'failed',
    says: 'cannot be read',
  },
  {
    name: 'error behind a proxy',
    code: "throw new Proxy(new Error('x'), { get() { for (;;); }, has() { for (;;); } })",
    ends: 'timeout',
  },
  { name: 'error that is a symbol', code: "throw Symbol('x')", ends: 'failed' },
  {
    name: 'error that is nothing',
    code: 'throw undefined',
    ends: 'failed',
    says: 'it threw undefined',
  },
  {
    name: 'error that prepares stacks',
    code: 'Error.prepareStackTrace = () => { for (;;); }\nnull.x',
    ends: 'failed',
    says: 'not extensible',
  },
  {
    name: 'error of refusal, caught',
    code: "try { deny(400, 'no') } catch {}",
    ends: 'ok',
    says: '"deny":{"status":400',
  },
  // Prototypes and constructors
  {
    name: 'Object.prototype',
    code: 'Object.prototype.polluted = 1',
    ends: 'failed',
    says: 'not extensible',
  },
  {
    name: '__proto__',
    code: '({}).__proto__.polluted = 1',
    ends: 'failed',
    says: 'not extensible',
  },
  {
    name: '__proto__ in the body',
    code: 'req.body = JSON.parse(\'{"__proto__":{"a":1}}\')\nif ({}.a) throw 1',
    ends: 'ok',
  },
  {
    name: 'Array.prototype.push',
    code: 'Array.prototype.push = () => { for (;;); }',
    ends: 'failed',
    says: 'read only',
  },
  {
    name: 'JSON.stringify',
    code: "JSON.stringify = () => '{}'",
    ends: 'failed',
    says: 'read only',
  },
  {
    name: 'Symbol.species',
    code: 'class A extends Array { static get [Symbol.species]() { for (;;); } }\nnew A(1).map((x) => x)',
    ends: 'timeout',
  },
  {
    name: 'a getter of a prototype',
    code: "Object.getOwnPropertyDescriptor(Map.prototype, 'size').get.x = 1",
    ends: 'failed',
    says: 'not extensible',
  },
  {
    name: 'the iterator of lists',
    code: '[][Symbol.iterator]().__proto__.next = 1',
    ends: 'failed',
    says: 'read only',
  },
  {
    name: 'constructor chain',
    code: "(() => {}).constructor('return process')()",
    ends: 'failed',
    says: 'no code from text',
  },
  {
    name: 'constructor of a generator',
    code: '(function* () {}).constructor("for(;;);")',
    ends: 'failed',
    says: 'no code from text',
  },
  {
    name: 'constructor of an async function',
    code: '(async () => {}).constructor("for(;;);")()',
    ends: 'failed',
    says: 'no code from text',
  },
  {
    name: 'Reflect.construct',
    code: "Reflect.construct(Function, ['return 1'])",
    ends: 'failed',
    says: 'no code from text',
  },
  { name: 'eval', code: "(0, globalThis['eval'])('1')", ends: 'failed', says: 'not a function' },
  { name: 'the list of units', code: 'this.length = 0', ends: 'failed', says: 'undefined' },
  {
    name: 'the caller',
    code: 'arguments.callee.caller',
    ends: 'failed',
    says: 'may not be accessed',
  },
  { name: 'the consumer', code: "consumer.id = 'root'", ends: 'failed', says: 'read only' },
  // The way out
  { name: 'process', code: 'process.exit(1)', ends: 'failed', says: 'process is not defined' },
  { name: 'require', code: "require('fs')", ends: 'failed', says: 'require is not defined' },
  {
    name: 'import()',
    code: "import('node:fs').then((fs) => fs.rmSync('/'))",
    ends: 'failed',
    says: 'Not supported',
  },
  { name: 'globalThis', code: 'globalThis.kept = 1', ends: 'failed', says: 'not extensible' },
  {
    name: 'this of a sloppy function',
    code: 'vars.x = typeof (function () { return this })()',
    ends: 'ok',
    says: '"x":"undefined"',
  },
  {
    name: 'fetch',
    code: "fetch('http://127.0.0.1')",
    ends: 'failed',
    says: 'fetch is not defined',
  },
  {
    name: 'timers',
    code: 'setTimeout(() => { for (;;); }, 1)',
    ends: 'failed',
    says: 'setTimeout is not defined',
  },
  {
    name: 'ivm',
    code: 'vars.x = [typeof ivm, typeof isolate, typeof Reference, typeof ExternalCopy].join()',
    ends: 'ok',
    says: 'undefined,undefined,undefined,undefined',
  },
  { name: 'shared memory', code: 'new SharedArrayBuffer(1)', ends: 'failed', says: 'not defined' },
  {
    name: 'Atomics.wait',
    code: 'Atomics.wait(new Int32Array(4), 0, 0)',
    ends: 'failed',
    says: 'not defined',
  },
  { name: 'WeakRef', code: 'new WeakRef({})', ends: 'failed', says: 'not defined' },
  {
    name: 'what regular expressions remember',
    code: "vars.x = String(RegExp.$1) + RegExp.lastMatch + RegExp['$_']",
    ends: 'ok',
    says: 'undefinedundefinedundefined',
  },
  {
    name: 'store that is filled',
    code: "for (let n = 0; n < 100; n++) store.set('k' + n, 1)",
    ends: 'failed',
    says: 'more than 16 times',
  },
  {
    name: 'store with a huge value',
    code: "store.set('k', 'x'.repeat(1e6))",
    ends: 'failed',
    isHeavy: true,
    says: 'characters to the store',
  },
  {
    name: 'store that is asked without end',
    code: "for (let n = 0; ; n++) { try { store.get('k' + n) } catch {} }",
    ends: 'timeout',
  },
  { name: 'hash of a huge text', code: "hash('x'.repeat(1e7))", ends: 'memory' },
]
