import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { vi } from 'vitest'
import { ERRORS, type ErrorCode } from '#core/errors.ts'
import { type Gateway, startGateway } from '#core/kernel/gateway.ts'
import type { Hooks, Plugin } from '#core/sdk.ts'
import { Resources } from './resources.ts'

/** What a plugin did wrong, from its start in a real gateway to its end. */
export interface Life {
  readonly start: string[]
  readonly options: string[]
  readonly request: string[]
  readonly hangUp: string[]
  readonly close: string[]
  readonly leftovers: string[]
}

/** Starts a gateway with the plugin's smallest config, uses it, leaves it in the middle of an answer, and closes it twice. */
export async function liveThrough(plugin: Plugin, steps: string): Promise<Life> {
  const life: Life = { start: [], options: [], request: [], hangUp: [], close: [], leftovers: [] }
  const folder = await mkdtemp(join(tmpdir(), 'sluice-contract-'))
  const resources = new Resources()
  const watched = new Watched(plugin)
  try {
    await symlink(resolve('node_modules'), join(folder, 'node_modules'))
    const gateway = await open(folder, watched.plugin, steps)
    try {
      life.request.push(...(await ask(gateway)))
      life.hangUp.push(...(await hangUp(gateway)))
    } finally {
      life.close.push(...(await closeTwice(gateway, watched.hooks)))
    }
  } catch (cause) {
    life.start.push(String(cause))
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
  life.options.push(...watched.findWrites())
  life.leftovers.push(...(await resources.survivors()))
  return life
}

/** Hands a plugin on and remembers what it was given and what it made. */
class Watched {
  readonly hooks: Hooks[] = []
  readonly plugin: Plugin
  readonly #given: { options: unknown; before: string }[] = []

  constructor(plugin: Plugin) {
    this.plugin = {
      ...plugin,
      setup: async (options, host) => {
        this.#given.push({ options, before: JSON.stringify(options) })
        const hooks = await plugin.setup(options, host)
        this.hooks.push(hooks)
        return hooks
      },
    }
  }

  findWrites(): string[] {
    return this.#given.flatMap(({ options, before }) => {
      const after = JSON.stringify(options)
      return [
        ...(after === before ? [] : [`options became ${after}`]),
        ...(Object.isFrozen(options) ? [] : ['options are not frozen']),
      ]
    })
  }
}

async function open(folder: string, plugin: Plugin, steps: string): Promise<Gateway> {
  const file = join(folder, 'gateway.yaml')
  const silent = () => undefined
  await writeFile(
    file,
    `version: 1
store: "memory:"
reload: { watch: false }
server: { timeouts: { drain: 1s } }
upstreams: { demo: { dialect: demo, demo: { text: one two three four, chunkDelay: 100ms } } }
pipelines:
  contract:
${steps.replaceAll(/^(?=.)/gm, '    ')}
routes: [{ id: contract, pipeline: contract, upstream: demo }]
`,
  )
  return startGateway({
    file,
    cwd: folder,
    env: {},
    catalog: { names: [plugin.name], load: async () => plugin },
    port: 0,
    adminPort: 0,
    log: { debug: silent, info: silent, warn: silent, error: silent },
  })
}

async function ask(gateway: Gateway): Promise<string[]> {
  const { status, code } = await post(gateway, false)
  if (status === 0) return ['does not answer']
  if (status < 400) return []
  const entry = Object.hasOwn(ERRORS, code) ? ERRORS[code as ErrorCode] : undefined
  if (entry === undefined) return [`answers ${status} without a code of the catalogue`]
  return entry.source === 'gateway' ? [`answers ${status} ${code}`] : []
}

/** Leaves after the first event of a stream, or where none comes. */
async function hangUp(gateway: Gateway): Promise<string[]> {
  await post(gateway, true)
  try {
    await vi.waitFor(() => {
      if (gateway.generation.exchanges > 0) throw new Error('still there')
    })
    return []
  } catch {
    return [`${gateway.generation.exchanges} exchanges are still there`]
  }
}

async function closeTwice(gateway: Gateway, steps: readonly Hooks[]): Promise<string[]> {
  try {
    await gateway.close({ delayMs: 0 })
    await gateway.close({ delayMs: 0 })
    for (const hooks of steps) await hooks.close?.()
    return []
  } catch (cause) {
    return [`does not bear being closed again: ${String(cause)}`]
  }
}

/** Status 0 stands for no answer. */
async function post(
  { url }: Gateway,
  isLeaving: boolean,
): Promise<{ status: number; code: string }> {
  const {
    promise,
    resolve: done,
    reject,
  } = Promise.withResolvers<{ status: number; code: string }>()
  const headers = { 'content-type': 'application/json' }
  const sent = request(`${url}/v1/chat/completions`, { method: 'POST', headers, agent: false })
  sent.on('error', (cause) => (sent.destroyed ? undefined : reject(cause)))
  sent.setTimeout(isLeaving ? 500 : 5_000, () => {
    sent.destroy()
    done({ status: 0, code: '' })
  })
  sent.on('response', (answer) => {
    const { statusCode: status = 0, headers: fields } = answer
    const result = { status, code: String(fields['x-sluice-code']) }
    answer.on('error', () => undefined)
    answer.once('data', () => {
      if (!isLeaving) return
      sent.destroy()
      done(result)
    })
    answer.once('end', () => done(result))
  })
  const messages = [{ role: 'user', content: 'hi' }]
  sent.end(JSON.stringify({ model: 'gpt-4o', messages, stream: isLeaving }))
  return promise
}
