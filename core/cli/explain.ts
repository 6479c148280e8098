import { readFile } from 'node:fs/promises'
import { METHODS } from 'node:http'
import { isIP } from 'node:net'
import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { loadConfig } from '../config/load.ts'
import { formatProblem } from '../config/problems.ts'
import type { Consumer } from '../exchange.ts'
import { isObject, jsonOf } from '../kit/json.ts'
import { catalog } from './catalog.ts'
import { type Command, UsageError } from './command.ts'
import { explainRequest } from './explain/decide.ts'
import { printExplanation } from './explain/print.ts'
import type { DescribedRequest } from './explain/request.ts'

/** Tells what a config does with one request. */
export const explain: Command = {
  summary: 'Tells what a config does with a request, and which line makes it so.',
  usage: `usage: sluice explain [FILE] METHOD PATH|URL [-H 'name: value']… [-d BODY|@FILE]
                      [--websocket] [--ip ADDRESS] [--consumer WHO] [--route ID] [--json]

  FILE           the config; default ./gateway.yaml
  -H, --header   a header field of the request; may be repeated
  -d, --data     its body, taken for JSON unless a content-type is given; @FILE reads one
  --websocket    it asks for a WebSocket
  --ip           the client's address; default 127.0.0.1
  --consumer     who asks, in the place of auth: an id, or JSON such as '{"id":"ada","team":"research"}'
  --route        explains this route, whether it matches or not
  --json         the same as data

Needs no network and no keys; what counts requests counts from nothing.
Exit code 0: explained; 1: the config cannot be loaded.`,

  async run(args, terminal) {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        header: { type: 'string', short: 'H', multiple: true, default: [] },
        data: { type: 'string', short: 'd' },
        websocket: { type: 'boolean', default: false },
        ip: { type: 'string', default: '127.0.0.1' },
        consumer: { type: 'string' },
        route: { type: 'string' },
        json: { type: 'boolean', default: false },
      },
    })
    const { file, method, target } = placesOf(positionals)
    if (isIP(values.ip) === 0) {
      throw new UsageError(`--ip takes an address, got ${JSON.stringify(values.ip)}`)
    }
    const described: DescribedRequest = {
      method,
      target,
      headers: values.header.map(headerOf),
      body: await bodyOf(values.data, terminal.cwd),
      ip: values.ip,
      isWebSocket: values.websocket,
      consumer: consumerOf(values.consumer),
    }
    const { config, problems } = await loadConfig(file, {
      env: terminal.env,
      cwd: terminal.cwd,
      catalog,
      allowMissingSecrets: true,
    })
    if (config === undefined) {
      if (values.json) terminal.stdout(`${JSON.stringify({ ok: false, problems }, null, 2)}\n`)
      else for (const problem of problems) terminal.stderr(`${formatProblem(problem)}\n`)
      return 1
    }
    if (values.route !== undefined && !config.routes.some(({ id }) => id === values.route)) {
      const known = config.routes.map(({ id }) => id).join(', ')
      throw new UsageError(`there is no route ${JSON.stringify(values.route)}; there are ${known}`)
    }
    const now = Date.now()
    const options = { cwd: terminal.cwd, now, route: values.route }
    const explanation = await explainRequest(config, described, options)
    terminal.stdout(
      values.json
        ? `${JSON.stringify({ ok: true, ...explanation }, null, 2)}\n`
        : printExplanation(explanation),
    )
    return 0
  },
}

function placesOf(positionals: readonly string[]) {
  const [first, second, third] = positionals
  if (positionals.length === 2 && first !== undefined && second !== undefined) {
    return { file: './gateway.yaml', method: methodOf(first), target: second }
  }
  if (positionals.length === 3 && first !== undefined && second !== undefined) {
    return { file: first, method: methodOf(second), target: third! }
  }
  throw new UsageError('takes a method and a path, such as POST /v1/chat/completions')
}

function methodOf(text: string): string {
  const method = text.toUpperCase()
  if (METHODS.includes(method)) return method
  throw new UsageError(`expected a method such as POST, got ${JSON.stringify(text)}`)
}

function headerOf(text: string): [string, string] {
  const field = /^([A-Za-z0-9!#$%&'*+.^_`|~-]+):\s*(.*?)\s*$/.exec(text)
  if (field === null) throw new UsageError(`-H takes 'name: value', got ${JSON.stringify(text)}`)
  return [field[1]!, field[2]!]
}

function consumerOf(text: string | undefined): Consumer | undefined {
  if (text === undefined) return undefined
  if (!text.startsWith('{')) return { id: text, roles: [], permissions: [] }
  const consumer = jsonOf(text)
  if (isObject(consumer) && typeof consumer['id'] === 'string') return consumer as Consumer
  throw new UsageError(`--consumer takes an id, or a map with an id in JSON, got ${text}`)
}

async function bodyOf(text: string | undefined, cwd: string): Promise<Buffer | undefined> {
  if (text === undefined) return undefined
  if (!text.startsWith('@')) return Buffer.from(text)
  try {
    return await readFile(resolve(cwd, text.slice(1)))
  } catch (cause) {
    throw new UsageError(`-d cannot read ${text.slice(1)}: ${(cause as Error).message}`)
  }
}
