import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import type { PluginCatalog } from '#core/config/model.ts'
import { type Gateway, startGateway } from '#core/kernel/gateway.ts'
import type { Logger, Plugin } from '#core/sdk.ts'
import { catalog as known } from '#core/cli/catalog.ts'

/** A gateway of a test, with its config file and what it logged. */
export interface TestGateway extends Gateway {
  readonly file: string
  readonly folder: string
  readonly logs: readonly LogLine[]
  /** Writes another config and reloads. */
  change(yaml: string): ReturnType<Gateway['reload']>
  /** Closes it and removes its files. */
  end(): Promise<void>
}

export interface LogLine {
  readonly level: string
  readonly message: string
  readonly fields: object
}

export interface TestGatewayOptions {
  readonly env?: Record<string, string>
  /** Plugins of the test, beside the first-party ones. */
  readonly plugins?: readonly Plugin[]
  /** Further files beside the config, by name. */
  readonly files?: Readonly<Record<string, string>>
  readonly now?: () => number
}

/** Starts a real gateway on free loopback ports; it is closed when the test is over. */
export async function startTestGateway(
  yaml: string,
  options: TestGatewayOptions = {},
): Promise<TestGateway> {
  const gateway = await openTestGateway(yaml, options)
  onTestFinished(() => gateway.end())
  return gateway
}

/** The same for several tests; who opens it ends it. */
export async function openTestGateway(
  yaml: string,
  { env = {}, plugins = [], files = {}, now }: TestGatewayOptions = {},
): Promise<TestGateway> {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-'))
  const file = join(folder, 'gateway.yaml')
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text)
  await writeFile(file, complete(yaml))
  const logs: LogLine[] = []
  const gateway = await startGateway({
    file,
    cwd: folder,
    env,
    catalog: withPlugins(plugins),
    port: 0,
    adminPort: 0,
    log: capture(logs),
    ...(now === undefined ? {} : { now }),
  })
  return Object.assign(gateway, {
    file,
    folder,
    logs,
    async change(changed: string) {
      await writeFile(file, complete(changed))
      return gateway.reload()
    },
    async end() {
      await gateway.close({ delayMs: 0 })
      await rm(folder, { recursive: true, force: true })
    },
  })
}

/** Tests keep nothing on disk, and reload when they say so. */
function complete(yaml: string): string {
  const head = [/^version:/m, /^store:/m, /^reload:/m]
  const lines = ['version: 1', 'store: "memory:"', 'reload: { watch: false }']
  return `${lines.filter((_, index) => !head[index]!.test(yaml)).join('\n')}\n${yaml}`
}

function withPlugins(plugins: readonly Plugin[]): PluginCatalog {
  return {
    ...known,
    names: [...known.names, ...plugins.map(({ name }) => name)],
    load: async (name) =>
      plugins.find((plugin) => plugin.name === name) ?? (await known.load(name)),
  }
}

function capture(logs: LogLine[]): Logger {
  const at =
    (level: string) =>
    (message: string, fields: object = {}) =>
      void logs.push({ level, message, fields })
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
}
