import { readFileSync } from 'node:fs'
import { beforeAll, describe, expect, it } from 'vitest'
import type { Plugin } from '#core/sdk.ts'
import { catalog } from '#plugins/index.ts'
import { type Life, liveThrough } from './life.ts'
import { findGaps, smallestConfig } from './readme.ts'
import { findBadSamples, findOpenMaps, findUndescribed } from './schema.ts'

describe.each(catalog.names)('%s', (name) => {
  const readme = readFileSync(`plugins/${name}/README.md`, 'utf8')
  let plugin: Plugin
  let life: Life

  beforeAll(async () => {
    plugin = await catalog.load(name)
    life = await liveThrough(plugin, smallestConfig(readme) ?? '')
  })

  it('accepts no option that it does not list', () => {
    expect(findOpenMaps(plugin)).toEqual([])
  })

  it('describes each option', () => {
    expect(findUndescribed(plugin)).toEqual([])
  })

  it('accepts its own defaults and examples', () => {
    expect(findBadSamples(plugin)).toEqual([])
  })

  it('says in its README what it does, shows, takes, and is not for', () => {
    expect(findGaps(name, readme)).toEqual([])
  })

  it('starts with its smallest config', () => {
    expect(life.start).toEqual([])
  })

  it('leaves its options as they were', () => {
    expect(life.options).toEqual([])
  })

  it('lets a request pass, or refuses it with a code', () => {
    expect(life.request).toEqual([])
  })

  it('keeps nothing of a client that hung up', () => {
    expect(life.hangUp).toEqual([])
  })

  it('bears being closed twice', () => {
    expect(life.close).toEqual([])
  })

  it('leaves no timer, socket or watcher behind', () => {
    expect(life.leftovers).toEqual([])
  })
})
