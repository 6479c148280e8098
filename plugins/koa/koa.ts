import { isObject } from '#core/kit/json.ts'
import {
  definePlugin,
  GatewayError,
  type ErrorCode,
  type Host,
  type Middleware,
} from '#core/sdk.ts'

/** What `ctx.throw(status)` comes to; any other client error is a DENIED with its own status. */
const CODES: Readonly<Record<number, ErrorCode>> = {
  400: 'BAD_REQUEST',
  401: 'UNAUTHENTICATED',
  403: 'DENIED',
  413: 'BODY_TOO_LARGE',
  415: 'UNSUPPORTED_ENCODING',
  429: 'RATE_LIMITED',
}

export default definePlugin({
  name: 'koa',
  stage: 'shape',
  summary: 'Runs any Koa middleware, from npm or a file, as a step.',

  schema: {
    type: 'object',
    additionalProperties: false,
    required: ['from'],
    properties: {
      from: {
        type: 'string',
        minLength: 1,
        description: 'An npm package, or a file as seen from the config: `./middleware/tenant.ts`.',
        examples: ['koa-helmet', './middleware/tenant.ts'],
      },
      export: {
        type: 'string',
        minLength: 1,
        default: 'default',
        description: 'The name of the export to use.',
      },
      call: {
        type: 'boolean',
        default: true,
        description:
          'Whether the export makes the middleware, and is called with `options`; false where it is the middleware itself.',
      },
      options: {
        type: 'object',
        additionalProperties: true,
        description: 'What the export is called with; nothing where it is left out.',
        examples: [{ contentSecurityPolicy: false }],
      },
    },
  },

  check({ call, options }, report) {
    if (!call && options !== undefined) {
      report.error(['options'], 'is never used, because call is false')
    }
  },

  async setup({ from, export: name, call, options }, host) {
    const exported = findExport(await load(from, host), name, from)
    const middleware = call ? await make(exported, options, from) : exported
    return {
      async handle(ctx, next) {
        try {
          await middleware(ctx, next)
        } catch (cause) {
          throw asGatewayError(cause)
        }
      },
    }
  },
})

async function load(from: string, host: Host): Promise<unknown> {
  const isFile = /^\.{0,2}\//.test(from)
  const specifier = isFile || from.startsWith('npm:') ? from : `npm:${from}`
  try {
    return await host.load(specifier)
  } catch (cause) {
    const remedy = isFile ? 'is the path right, as seen from the config file?' : `npm i ${from}`
    throw new Error(`cannot load ${JSON.stringify(from)}: ${remedy}`, { cause })
  }
}

/** An ES module's export, or the same of a CommonJS package, whose exports are its default. */
function findExport(module: unknown, name: string, from: string): Middleware {
  const outer = readOwn(module, name)
  const exported = typeof outer === 'function' ? outer : readOwn(readOwn(module, 'default'), name)
  if (typeof exported === 'function') return exported as Middleware
  const names = isObject(module) ? Object.keys(module) : []
  throw new Error(
    `${JSON.stringify(from)} has no function ${JSON.stringify(name)}; it exports ${names.join(', ') || 'nothing'}`,
  )
}

function readOwn(value: unknown, name: string): unknown {
  const isReadable = typeof value === 'function' || isObject(value)
  return isReadable && Object.hasOwn(value, name)
    ? (value as Record<string, unknown>)[name]
    : undefined
}

async function make(factory: Middleware, options: unknown, from: string): Promise<Middleware> {
  let made: unknown
  try {
    // A copy: config is frozen, and factories like to fill in their defaults.
    const given = options === undefined ? [] : [structuredClone(options)]
    made = await (factory as (...given: unknown[]) => unknown)(...given)
  } catch (cause) {
    throw new Error(
      `${JSON.stringify(from)} failed when called with its options; say call: false where the export is the middleware itself`,
      { cause },
    )
  }
  if (typeof made === 'function') return made as Middleware
  throw new Error(
    `${JSON.stringify(from)} made ${made === null ? 'null' : typeof made} rather than a middleware; say call: false where the export is the middleware itself`,
  )
}

/** `ctx.throw(401, …)` is a refusal, to be answered in the client's dialect. All else stays what it is. */
function asGatewayError(cause: unknown): unknown {
  if (cause instanceof GatewayError || !(cause instanceof Error)) return cause
  const { status, expose, headers } = cause as Error & {
    status?: unknown
    expose?: unknown
    headers?: unknown
  }
  if (expose !== true || typeof status !== 'number' || status < 400 || status > 499) return cause
  return new GatewayError(CODES[status] ?? 'DENIED', cause.message, {
    status,
    headers: isObject(headers) ? lowerCase(headers) : {},
    cause,
  })
}

function lowerCase(headers: Record<string, unknown>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name.toLowerCase(), String(value)]),
  )
}
