import { globSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { describe, expect, it } from 'vitest'
import { parse, parseDocument } from 'yaml'
import { gatewaySchema } from '#core/config/json-schema.ts'
import { loadConfig } from '#core/config/load.ts'
import type { PluginCatalog } from '#core/config/model.ts'
import { catalog as firstParty } from '#plugins/index.ts'
import { catalog as madeUp } from '../config/made-up-plugins.ts'
import { folderOf } from './command-line.ts'

const ROOT = path.resolve(import.meta.dirname, '../../..')

/** What a case file says after its line of dashes, as far as a load needs it. */
interface Expected {
  readonly env?: Readonly<Record<string, string>>
  readonly files?: Readonly<Record<string, string>>
}

/** Compiled as an editor does it: no formats, no keywords of ours. */
async function editorOf({ names, load }: PluginCatalog) {
  const whole = names.filter((name) => name !== 'broken')
  const loaded = await Promise.allSettled(whole.map((name) => load(name)))
  const plugins = loaded.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []))
  return new Ajv2020({ strict: false, ownProperties: true }).compile(gatewaySchema(plugins))
}

describe('the committed schema', async () => {
  const text = await readFile(path.join(ROOT, 'schemas/gateway.schema.json'), 'utf8')
  const accepts = new Ajv2020({ strict: false }).compile(JSON.parse(text) as object)

  // What an example includes stands in folders below, and is no whole config.
  it.each(['gateway.yaml', ...globSync('examples/*.yaml', { cwd: ROOT })])(
    'accepts %s',
    async (file) => {
      const config: unknown = parseDocument(await readFile(path.join(ROOT, file), 'utf8')).toJS()
      expect(accepts(config), JSON.stringify(accepts.errors, null, 2)).toBe(true)
    },
  )

  it('refuses what the loader refuses in each of its sections', async () => {
    const base = { version: 1, routes: [{ id: 'a' }] }
    const faulty = [
      { ...base, server: { port: 70_000 } },
      { ...base, server: { timeouts: { headers: 'soon' } } },
      { ...base, upstreams: { a: { dialect: 'openai' } } },
      { ...base, reload: { watch: 'yes' } },
      { ...base, pipelines: { main: [{ filter: { status: 200 } }] } },
      { ...base, pipelines: { main: ['filtre'] } },
      { ...base, routes: [{ id: 'a', pipeline: [{ logging: { level: 'loud' } }] }] },
      { ...base, routes: [{ id: 'a', match: { method: 7 } }] },
    ]
    for (const config of faulty) {
      expect(accepts(config), JSON.stringify(config)).toBe(false)
      const loaded = await loadConfig('gateway.yaml', {
        text: JSON.stringify(config),
        env: {},
        catalog: firstParty,
      })
      expect(loaded.config, JSON.stringify(config)).toBeUndefined()
    }
  })
})

/** Cases whose fault no schema of one file can express, by what the loader holds it against. */
const BEYOND_A_SCHEMA: Readonly<Record<string, readonly string[]>> = {
  'other parts of the file': [
    'by-model-nothing',
    'dialect-not-of-an-llm',
    'dialect-not-spoken',
    'override-ambiguous',
    'override-no-step',
    'route-id-twice',
    'route-no-upstream',
    'id-twice',
    'upstream-unknown',
    'use-cycle',
    'use-doubling',
    'use-unknown',
  ],
  'the options that an override changes': [
    'override-checked',
    'override-id',
    'override-restores-required',
  ],
  'the order of steps and routes': [
    'order-after-end',
    'order-cache-above-identity',
    'order-charge-below-retry',
    'order-mask-below-cache',
    'order-need',
    'order-need-disabled',
    'order-need-late',
    'route-never',
    'route-never-api',
  ],
  'a language of its own: expressions, path patterns, URLs, header fields': [
    'define-fault',
    'expression-fault',
    'expression-scope',
    'route-path',
    'store-faults',
    'store-unknown',
    'upstream-headers',
    'upstream-url',
  ],
  'what an address means': ['admin-public', 'admin-same-port'],
  'the environment': ['unset-variable'],
  'the plugin itself': ['plugin-check'],
}

describe('an editor and the loader', async () => {
  const accepts = await editorOf(madeUp)
  const folder = path.join(ROOT, 'test/cases/config')
  const names = globSync('*.yaml', { cwd: folder }).map((name) => name.replace(/\.yaml$/, ''))
  const excluded = Object.values(BEYOND_A_SCHEMA).flat()

  /** Whether the editor shows no fault, and whether the loader finds none. */
  async function verdicts(name: string): Promise<{ editor: boolean; loader: boolean }> {
    const whole = await readFile(path.join(folder, `${name}.yaml`), 'utf8')
    const [text = '', expected = ''] = whole.split(/^---.*\n/m)
    const { env = {}, files = {} } = (parse(expected) ?? {}) as Expected
    const document = parseDocument(text)
    const cwd = await folderOf(files)
    const loaded = await loadConfig('gateway.yaml', { text, env, cwd, catalog: madeUp })
    const editor = document.errors.length === 0 && accepts(document.toJS())
    return { editor, loader: loaded.config !== undefined }
  }

  it.each(names.filter((name) => !excluded.includes(name)))('agree on %s', async (name) => {
    const { editor, loader } = await verdicts(name)
    expect(editor).toBe(loader)
  })

  it.each(excluded)('differ on %s, as they must', async (name) => {
    expect(await verdicts(name)).toEqual({ editor: true, loader: false })
  })
})
