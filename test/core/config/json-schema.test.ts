import { readdir, readFile } from 'node:fs/promises'
import path from 'node:path'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { GATEWAY, RESERVED } from '#core/config/gateway-schema.ts'
import { gatewaySchema, pluginSchema } from '#core/config/json-schema.ts'
import { loadConfig } from '#core/config/load.ts'
import type { Schema } from '#core/config/schema.ts'
import { validate } from '#core/config/validate.ts'
import { catalog } from './made-up-plugins.ts'

const names = catalog.names.filter((name) => name !== 'broken' && name !== 'absent')
const plugins = await Promise.all(names.map((name) => catalog.load(name)))

const ajv = new Ajv2020({ strict: true, strictTypes: false, ownProperties: true })
for (const keyword of ['x-kind', 'x-scope', 'x-scope-from']) ajv.addKeyword(keyword)

describe('the schema for editors', () => {
  const accepts = ajv.compile(gatewaySchema(plugins))

  it('accepts what the loader accepts', async () => {
    const folder = path.resolve(import.meta.dirname, '../../cases/config')
    const refused: string[] = []
    let accepted = 0
    for (const name of await readdir(folder)) {
      const text = (await readFile(path.join(folder, name), 'utf8')).split(/^---/m)[0]!
      const env = { KEY: 'k', HOST: 'h', TOKEN: 't', SHARE: '0.5' }
      const { config } = await loadConfig('gateway.yaml', { text, env, catalog, cwd: folder })
      if (config === undefined) continue
      accepted++
      if (!accepts(parse(text))) refused.push(name)
    }
    expect(refused).toEqual([])
    expect(accepted).toBeGreaterThan(15)
  })

  it('refuses a misspelt option, a wrong choice and a step of two plugins', () => {
    const base = { version: 1, routes: [{ id: 'a' }] }
    const withSteps = (...steps: unknown[]) => ({ ...base, pipelines: { main: steps } })
    expect(accepts(base)).toBe(true)
    expect(accepts({ ...base, sever: {} })).toBe(false)
    expect(accepts({ ...base, server: { port: 'eighty' } })).toBe(false)
    expect(accepts(withSteps('watcher', { watcher: { level: 'info' } }))).toBe(true)
    expect(accepts(withSteps({ watcher: { levle: 'info' } }))).toBe(false)
    expect(accepts(withSteps({ watcher: { level: 'loud' } }))).toBe(false)
    expect(accepts(withSteps({ watcher: {}, badge: {} }))).toBe(false)
    expect(accepts(withSteps('wacher'))).toBe(false)
  })

  it('accepts ${…} in the place of a number, a choice or a duration', () => {
    const server = { port: '${PORT}', timeouts: { headers: '${WAIT:-10s}' } }
    const step = { watcher: { level: '${LEVEL}', enabled: '${TELL}' } }
    const routes = [{ id: 'a', pipeline: [step] }]
    expect(accepts({ version: 1, server, routes })).toBe(true)
  })

  it('has a step of every plugin with its summary, and the kinds as annotations', () => {
    const text = JSON.stringify(gatewaySchema(plugins))
    for (const { summary } of plugins) expect(text).toContain(summary)
    expect(text).toContain('"x-kind":"duration"')
    expect(text).toContain('"x-scope":"match"')
  })
})

describe("the schema of one plugin's options", () => {
  it('takes the reserved keys too', () => {
    const accepts = ajv.compile(pluginSchema(plugins[0]!))
    expect(accepts({ level: 'warn', enabled: false, when: true, id: 'x' })).toBe(true)
    expect(accepts({ level: 'warn', enable: false })).toBe(false)
  })
})

describe('the language', () => {
  const options = [...optionsOf(GATEWAY, ''), ...optionsOf({ properties: RESERVED }, 'step')]

  it.each(options)('describes $place in a sentence', ({ schema }) => {
    expect(schema.description).toMatch(/^\S.+\.$/)
  })

  it.each(options.filter(({ schema }) => schema.default !== undefined))(
    'has a default for $place that fits',
    ({ schema }) => {
      const alone = {
        compile: () => ({ expression: undefined, faults: [] }),
        script: () => ({ script: undefined, faults: [] }),
        origin: () => undefined,
      }
      expect(validate(schema, schema.default!, alone).faults).toEqual([])
    },
  )
})

/** Every option below a schema, by its place. */
function optionsOf(schema: Schema, place: string): { place: string; schema: Schema }[] {
  const { properties = {}, items, anyOf = [], additionalProperties } = schema
  const below = [items, ...anyOf, additionalProperties].filter((one) => typeof one === 'object')
  return [
    ...Object.entries(properties).flatMap(([key, option]) => [
      { place: `${place}.${key}`, schema: option },
      ...optionsOf(option, `${place}.${key}`),
    ]),
    ...below.flatMap((one) => optionsOf(one, place)),
  ]
}
