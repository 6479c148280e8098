import { bytes, definePlugin, duration, type Infer, script, scriptFile } from '#core/sdk.ts'
import type { ExchangeView, Hooks, Host, Part, Script } from '#core/sdk.ts'
import { Caller } from './caller.ts'
import { chunkPatch, messagePatch, requestPatch, responsePatch } from './patch.ts'
import { View } from './view.ts'

const OPTIONS = {
  type: 'object',
  additionalProperties: false,
  properties: {
    on: {
      enum: ['request', 'response', 'chunk', 'message'],
      default: 'request',
      description:
        'What it sees: the request on its way down, the answer on its way up, each event of an answer (a plain one as a whole), or each message of a WebSocket.',
    },
    code: script({
      description: 'The script, in JavaScript or TypeScript. It is the inside of a function.',
      examples: ["if (req.body.n > 4) return deny(400, 'at most four choices')"],
    }),
    file: scriptFile({
      description: 'A file that holds it, as seen from the config.',
      examples: ['./scripts/guard.ts'],
    }),
    sandbox: {
      enum: ['process', 'inline'],
      default: 'process',
      description:
        'Where it runs: in a process apart, which may be killed, or inside the gateway, which is quicker and for code that you trust.',
    },
    timeout: duration({
      minimum: 1,
      default: '50ms',
      description: 'How long one call may take.',
    }),
    memory: bytes({
      minimum: 8 * 1024 ** 2,
      default: '32mb',
      description: 'How much memory one call may use. Two or three times as much for a moment.',
    }),
    maxOutput: bytes({
      minimum: 1_024,
      default: '1mb',
      description: 'How much one call may hand back, in characters: the body, if it changes it.',
    }),
    maxLogLines: {
      type: 'integer',
      minimum: 0,
      maximum: 1_000,
      default: 20,
      description: 'Lines that one call may log.',
    },
    store: {
      type: 'string',
      pattern: '^[\\w.-]{1,64}$',
      title: 'a name of letters, digits, _, . and -',
      default: 'shared',
      description:
        'The part of the store that it reads and writes. Scripts that name the same share it.',
    },
    breaker: {
      type: 'object',
      additionalProperties: false,
      default: {},
      description: 'When a script that keeps failing is switched off.',
      properties: {
        failures: {
          type: 'integer',
          minimum: 1,
          default: 20,
          description: 'After so many failures in a row.',
        },
        pause: duration({ minimum: 1, default: '10s', description: 'For how long.' }),
      },
    },
  },
} as const

type Options = Infer<typeof OPTIONS>

const PROTOCOLS = {
  request: ['http', 'websocket'],
  response: ['http'],
  chunk: ['http'],
  message: ['websocket'],
} as const

export default definePlugin({
  name: 'script',
  stage: 'shape',
  summary:
    'Looks at requests and answers with a script of yours, in a sandbox, and changes or refuses them.',
  schema: OPTIONS,
  reads: (options) => readParts(options),
  writes: (options) =>
    readParts(options).map((part) => (part === 'request.text' ? 'request.body' : part)),
  protocols: ({ on }) => PROTOCOLS[on],

  check(options, report) {
    const { code, file, timeout } = options
    if ((code === undefined) === (file === undefined)) {
      report.error([], 'needs either code or file', 'code: | begins a script in the config itself')
    }
    if (timeout > 1_000) {
      report.warning(['timeout'], 'every request that it sees may wait as long as this')
    }
  },

  async setup(options, host) {
    const program = scriptOf(options)
    const caller = await openCaller(program, options, host)
    return { ...hooksOf(options, program, caller, host), close: () => caller.close() }
  },
})

function hooksOf(options: Options, program: Script, caller: Caller, host: Host): Hooks {
  const reads = readParts(options)
  const readsRequest = reads.includes('request.text')
  const readsAnswer = reads.includes('response.body')
  const requestBody = ({ req }: ExchangeView) => (readsRequest ? req.bodyText : undefined)
  const view = new View(program)
  switch (options.on) {
    case 'request': {
      const { names } = host.upstreams
      return {
        request: (exchange) =>
          caller.call(exchange, [view.request(exchange), requestBody(exchange)], (result) =>
            requestPatch(result, names),
          ),
      }
    }
    case 'response':
      return {
        response(exchange) {
          const { res } = exchange
          const body = readsAnswer && !res.isStream ? res.body : undefined
          const answer = body === undefined ? undefined : JSON.stringify(body)
          const shown = [view.response(exchange), requestBody(exchange), answer] as const
          return caller.call(exchange, shown, responsePatch)
        },
      }
    case 'chunk':
      return {
        chunk: (chunk, exchange) =>
          caller.call(exchange, [view.chunk(exchange, chunk), requestBody(exchange)], (result) =>
            chunkPatch(result, chunk),
          ),
      }
    case 'message':
      return {
        message: (message, exchange) =>
          caller.call(exchange, [view.message(exchange, message)], (result) =>
            messagePatch(result, message),
          ),
      }
  }
}

function openCaller(program: Script, options: Options, host: Host): Promise<Caller> {
  const { sandbox, timeout, memory, maxOutput, maxLogLines, breaker, store } = options
  return Caller.open(program, host, store, {
    sandbox,
    timeoutMs: timeout,
    memoryBytes: memory,
    output: maxOutput,
    lines: maxLogLines,
    breaker: { failures: breaker.failures, pauseMs: breaker.pause },
  })
}

/** `check` has seen to it that there is one. */
function scriptOf({ code, file }: Options): Script {
  return (code ?? file)!
}

/** A script reads what its text names. It parses the request itself; what it does not name is not parsed for it. */
function readParts(options: Options): readonly Part[] {
  const program = options.code ?? options.file
  if (program === undefined) return []
  const parts: Part[] = []
  const isUp = options.on !== 'request'
  if (program.mentions(isUp ? 'req.body' : 'body')) parts.push('request.text')
  const isModelRead = program.fieldsOf('req')?.has('model') ?? program.mentions('model')
  if (isModelRead) parts.push('request.model')
  if (options.on === 'response' && program.mentions('body')) parts.push('response.body')
  if (isUp && program.mentions('usage')) parts.push('usage')
  return parts
}
