import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import type { Host, Hooks } from '#core/sdk.ts'
import { startTestGateway } from '../../support/gateway.ts'
import { step } from '../../support/step.ts'

const config = (pipeline: string) => `
upstreams:
  up: { dialect: http, url: "http://127.0.0.1:1/base" }
routes: [{ id: a, match: { path: /* }, pipeline: ${pipeline}, upstream: up }]
`

/** A gateway with one step, and the host of each of its lives. */
async function start(hooks: (host: Host) => Hooks = () => ({})) {
  const hosts: Host[] = []
  const plugin = step('probe', (host) => {
    hosts.push(host)
    return hooks(host)
  })
  const gateway = await startTestGateway(config('[probe]'), { plugins: [plugin] })
  const renew = () => gateway.change(config(`[probe: { value: v${hosts.length} }]`))
  return { gateway, hosts, renew }
}

test('a closed step has neither timers nor listeners nor a signal that holds', async () => {
  const { hosts, renew } = await start()
  const seen: string[] = []
  const old = hosts[0]!
  old.every(10, () => void seen.push('every'))
  old.after(40, () => void seen.push('after'))
  old.events.on('word', () => seen.push('event'))
  await expect.poll(() => seen).toContain('every')
  await renew()
  await expect.poll(() => old.signal.aborted).toBe(true)
  seen.length = 0
  hosts[1]!.events.emit('word', {})
  old.events.emit('word', {})
  old.events.on('word', () => seen.push('late event'))
  old.every(1, () => void seen.push('late every'))
  old.after(1, () => void seen.push('late after'))
  hosts[1]!.events.emit('word', {})
  await new Promise((resolve) => setTimeout(resolve, 80))
  expect(seen).toEqual([])
  await expect(old.fetch('http://127.0.0.1:1/')).rejects.toThrow('the step was closed')
})

test('timers and listeners can be taken back one by one, and their failures are logged', async () => {
  const { gateway, hosts } = await start()
  const host = hosts[0]!
  const seen: string[] = []
  host.every(5, () => void seen.push('every'))()
  host.after(5, () => void seen.push('after'))()
  host.events.on('word', () => seen.push('gone'))()
  host.events.on('word', () => {
    throw new Error('listener broke')
  })
  host.events.on('word', (async () => {
    throw new Error('listener broke later')
  }) as () => void)
  host.events.on('word', ({ n }) => seen.push(`word ${String(n)}`))
  host.events.emit('word', { n: 1 })
  host.after(1, () => Promise.reject(new Error('timer broke')))
  host.after(1, () => {
    throw new Error('timer broke')
  })
  await expect.poll(() => gateway.logs.filter(({ level }) => level === 'error')).toHaveLength(4)
  expect(seen).toEqual(['word 1'])
})

test('two steps hear each other, and each has its own values in the store', async () => {
  const hosts: Record<string, Host> = {}
  const probe = (name: string) =>
    step(name, (host) => {
      hosts[name] = host
      return {}
    })
  await startTestGateway(config('[one, two]'), { plugins: [probe('one'), probe('two')] })
  const heard: unknown[] = []
  hosts['two']!.events.on('budget', (data) => heard.push(data))
  hosts['one']!.events.emit('budget', { left: 0 })
  expect(heard).toEqual([{ left: 0 }])
  await hosts['one']!.store.keyValue('x').set('k', 1, 60_000)
  expect(await hosts['two']!.store.keyValue('x').get('k')).toBeUndefined()
  expect(await hosts['one']!.store.keyValue('y').get('k')).toBeUndefined()
  expect(await hosts['one']!.store.keyValue('x').get('k')).toBe(1)
})

test('a step knows its place, the upstreams and the clock, and loads what lies beside the config', async () => {
  const { gateway, hosts } = await start()
  const host = hosts[0]!
  expect(host.step).toEqual({
    plugin: 'probe',
    id: 'probe',
    place: 'routes[0].pipeline[0]',
    identity: 'routes.a.probe',
  })
  expect(host.upstreams.names).toEqual(['up'])
  expect(host.upstreams.endpoints('up')).toEqual(['http://127.0.0.1:1/base'])
  expect(host.upstreams.endpoints('none')).toEqual([])
  expect(Math.abs(host.now() - Date.now())).toBeLessThan(1_000)
  await writeFile(join(gateway.folder, 'data.json'), '{"a":1}')
  await writeFile(join(gateway.folder, 'code.mjs'), 'export const b = 2')
  expect(await host.load('./data.json')).toEqual({ a: 1 })
  expect(await host.load('./code.mjs')).toMatchObject({ b: 2 })
  await expect(host.load('npm:no-such-package-here')).rejects.toThrow('no-such-package-here')
})

test('fetch reaches private hosts only where they stand in the options', async () => {
  const server = createServer((_, res) => res.end('private'))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void server.close())
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
  let host: Host | undefined
  const plugin = step('probe', (given) => {
    host = given
    return {}
  })
  const gateway = await startTestGateway(config('[probe]'), { plugins: [plugin] })
  await expect(host!.fetch(url)).rejects.toMatchObject({ code: 'UPSTREAM_REFUSED' })
  await gateway.change(config(`[probe: { value: "${url}" }]`))
  expect((await host!.fetch(url)).body.toString()).toBe('private')
})

test('channels reach the next life of a step, end with the step, and survive a listener that throws', async () => {
  const { gateway, hosts, renew } = await start()
  const seen: string[] = []
  hosts[0]!.store.channel('keys').subscribe(() => seen.push('old'))
  await renew()
  await expect.poll(() => hosts[0]!.signal.aborted).toBe(true)
  const channel = hosts[1]!.store.channel('keys')
  channel.subscribe(() => {
    throw new Error('listener broke')
  })
  channel.subscribe((message) => seen.push(String(message)))
  hosts[1]!.store.channel('other').subscribe(() => seen.push('other'))
  await hosts[0]!.store.channel('keys').publish('revoked')
  await expect.poll(() => seen).toEqual(['revoked'])
  const errors = gateway.logs.filter(({ level }) => level === 'error')
  expect(errors.map(({ message }) => message)).toEqual(['channel listener failed'])
})
