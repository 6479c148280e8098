import { createServer } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { afterEach, describe, expect, it } from 'vitest'
import {
  definePlugin,
  expression,
  type Hooks,
  type Host,
  type Plugin,
  type Schema,
} from '#core/sdk.ts'
import { liveThrough } from './life.ts'
import { findGaps } from './readme.ts'
import { findBadSamples, findOpenMaps, findUndescribed } from './schema.ts'

/** What the made-up plugins open for good, to be closed when their test is over. */
const opened: (() => void)[] = []
afterEach(() => opened.splice(0).forEach((close) => close()))

function made(setup: (options: object, host: Host) => Hooks | Promise<Hooks>): Plugin {
  return definePlugin({
    name: 'broken',
    stage: 'shape',
    summary: 'Breaks one promise.',
    schema: {
      type: 'object',
      additionalProperties: false,
      properties: { list: { type: 'array', items: {}, default: [], description: 'A list.' } },
    },
    setup,
  })
}

function withOption(option: Schema): Plugin {
  const plugin = made(() => ({}))
  return { ...plugin, schema: { ...plugin.schema, properties: { option } } }
}

/** A promise that nobody keeps until the test is over. */
async function forever(): Promise<void> {
  await new Promise<void>((resolve) => opened.push(resolve))
}

describe('a schema is caught', () => {
  it('where a map is open', () => {
    const map: Schema = { type: 'object', properties: { a: { description: 'A.' } } }
    expect(findOpenMaps(withOption({ anyOf: [map] }))).toEqual([
      'options.option(0): accepts any other key',
    ])
  })

  it('where an option has no words', () => {
    const items: Schema = { type: 'object', properties: { a: {} }, additionalProperties: false }
    const plugin = withOption({ type: 'array', items, description: 'A list.' })
    expect(findUndescribed(plugin)).toEqual([
      'options.option[].a: has no sentence that describes it',
    ])
  })

  it('where it refuses its own default', () => {
    const plugin = withOption({ type: 'integer', default: 'ten', description: 'A number.' })
    expect(findBadSamples(plugin)).toEqual(['options.option: refuses its own "ten"'])
  })

  it('where the expression of an example cannot be compiled', () => {
    const examples = [{ startWith: ['$req.path', '/v1'] }]
    const option = expression({ examples, description: 'Which.', 'x-scope': 'request' })
    expect(findBadSamples(withOption(option))).toHaveLength(1)
  })

  it('where it is no JSON Schema', () => {
    const plugin = withOption({ type: 'list', description: 'A list.' })
    expect(findBadSamples(plugin)[0]).toMatch(/^schema: /)
  })
})

describe('a README is caught', () => {
  it('without its title, its parts, or something in them', () => {
    const readme = '# Broken\n\n## What it does\n\n## Options\n\nMany.\n'
    expect(findGaps('broken', readme)).toEqual([
      'no # broken',
      'no ## Smallest config',
      'no ## What you will see',
      'no ## When not to use it',
      'nothing under ## What it does',
      'no yaml under ## Smallest config',
    ])
  })
})

describe('a plugin is caught', () => {
  it('that cannot start', async () => {
    const plugin = made(() => {
      throw new Error('no database')
    })
    expect((await liveThrough(plugin, '- broken')).start[0]).toContain('no database')
  })

  it('that writes to its options', async () => {
    const plugin = made((options) => {
      Object.assign(options, { list: [1] })
      return {}
    })
    expect((await liveThrough(plugin, '- broken')).start[0]).toContain('read only')
  })

  it('that breaks when a request comes', async () => {
    const plugin = made(() => ({
      request() {
        throw new TypeError('undefined is not a function')
      },
    }))
    expect((await liveThrough(plugin, '- broken')).request).toEqual(['answers 500 PLUGIN_FAILED'])
  })

  it('that refuses without a code', async () => {
    const plugin = made(() => ({ request: () => ({ answer: { status: 418 } }) }))
    expect((await liveThrough(plugin, '- broken')).request).toEqual([
      'answers 418 without a code of the catalogue',
    ])
  })

  it('that does not answer', async () => {
    const plugin = made(() => ({ request: () => forever() }))
    expect((await liveThrough(plugin, '- broken')).request).toEqual(['does not answer'])
  })

  it('that holds on to a client who has left', async () => {
    const plugin = made(() => ({ done: () => delay(1_300) }))
    const life = await liveThrough(plugin, '- broken')
    expect(life.hangUp).toEqual(['2 exchanges are still there'])
  })

  it('that cannot be closed twice', async () => {
    const plugin = made(() => {
      let closed = 0
      return {
        close() {
          if (++closed > 1) throw new Error('closed before')
        },
      }
    })
    expect((await liveThrough(plugin, '- broken')).close[0]).toContain('closed before')
  })

  it('that leaves a timer', async () => {
    const plugin = made(() => {
      const timer = setInterval(() => undefined, 60_000).unref()
      opened.push(() => clearInterval(timer))
      return {}
    })
    expect((await liveThrough(plugin, '- broken')).leftovers).toEqual([
      expect.stringMatching(/^Timeout .*broken\.test\.ts/),
    ])
  })

  it('that leaves a socket', async () => {
    const plugin = made(async () => {
      const server = createServer()
      await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
      opened.push(() => server.close())
      return {}
    })
    expect((await liveThrough(plugin, '- broken')).leftovers).toEqual(['TCPSERVERWRAP'])
  })
})
