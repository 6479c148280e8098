import { scryptSync } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import type { JsonObject } from '#core/kit/json.ts'
import { type TestedPlugin, testPlugin } from '#core/testing.ts'
import auth from '#plugins/auth/auth.ts'
import { sluice } from '../core/cli/command-line.ts'

const ADA = { name: 'ada', password: 'correct horse', roles: ['user'] }

function start(...users: JsonObject[]) {
  return testPlugin(auth, {
    methods: ['basic'],
    basic: { users },
    failures: { limit: 100 },
    events: 'all',
  })
}

function signIn(tested: TestedPlugin, name: string, password: string) {
  return present(tested, Buffer.from(`${name}:${password}`).toString('base64'))
}

async function present(tested: TestedPlugin, value: string) {
  return tested.request({ path: '/v1/models', headers: { authorization: `Basic ${value}` } })
}

describe('basic authentication', () => {
  it('lets users in by name and password', async () => {
    const tested = await start(ADA, { name: 'bob', password: 'with:colons:in it' })
    expect((await signIn(tested, 'ada', 'correct horse')).status).toBe(200)
    expect((await signIn(tested, 'bob', 'with:colons:in it')).status).toBe(200)
    expect((await signIn(tested, 'ada', 'with:colons:in it')).status).toBe(401)
    expect((await signIn(tested, 'eve', 'correct horse')).status).toBe(401)
    expect(tested.emitted[0]?.data).toMatchObject({ method: 'basic', consumer: 'ada' })
  })

  it('asks for it in the words of RFC 7617', async () => {
    const tested = await start(ADA)
    const { headers } = await tested.request({ path: '/v1/models' })
    expect(headers['www-authenticate']).toBe('Basic realm="sluice", charset="UTF-8"')
  })

  it('knows a password by its scrypt digest', async () => {
    const { stdout } = await sluice(['keys', 'digest', '--password'], { stdin: 'pässword\n' })
    const tested = await start({ name: 'ada', digest: stdout.trim() }, { ...ADA, name: 'bob' })
    expect((await signIn(tested, 'ada', 'pässword')).status).toBe(200)
    expect((await signIn(tested, 'ada', 'password')).status).toBe(401)
    expect((await signIn(tested, 'bob', 'correct horse')).status).toBe(200)
    expect((await signIn(tested, 'bob', 'pässword')).status).toBe(401)
    expect((await signIn(tested, 'eve', 'pässword')).status).toBe(401)
  })

  it('takes as long for a user that does not exist', async () => {
    const { stdout } = await sluice(['keys', 'digest', '--password'], { stdin: 'pässword' })
    const tested = await start({ name: 'ada', digest: stdout.trim() })
    const exchange = (name: string) => ({
      req: {
        headers: { authorization: `Basic ${btoa(`${name}:wrong`)}` },
        query: {},
        ip: '::1',
        protocol: 'http',
      },
      now: tested.clock.now,
    })
    // Both wait for the thread that computes.
    for (const name of ['ada', 'eve']) {
      expect(tested.hooks.request!(exchange(name) as never)).toBeInstanceOf(Promise)
    }
  })

  it('says that it is busy rather than let slow digests pile up', async () => {
    const key = scryptSync('pässword', Buffer.alloc(16), 32, { N: 1_024, r: 8, p: 1 })
    const salt = Buffer.alloc(16).toString('base64url')
    const digest = `scrypt:1024:8:1:${salt}:${key.toString('base64url')}`
    const tested = await start({ name: 'ada', digest })
    expect((await signIn(tested, 'ada', 'pässword')).status).toBe(200)
    const many = Array.from({ length: 40 }, (_, at) => signIn(tested, 'ada', `guess ${at}`))
    const statuses = (await Promise.all(many)).map(({ status }) => status)
    expect(new Set(statuses)).toEqual(new Set([401, 503]))
    expect(statuses.filter((status) => status === 503)).toHaveLength(8)
  })

  it.each(['', 'YQ==', 'Og==', '*', 'YWRhOmI', `${btoa('ada:x')}=`])(
    'refuses what is no name and password: %j',
    async (value) => {
      const tested = await start(ADA)
      expect((await present(tested, value)).status).toBe(401)
    },
  )

  it('does not take a key for a password, nor a password for a key', async () => {
    const tested = await start(ADA)
    const value = Buffer.from('ada:correct horse').toString('base64')
    expect((await present(tested, value)).status).toBe(200)
    const asKey = { path: '/v1/models', headers: { 'x-api-key': value } }
    expect((await tested.request(asKey)).status).toBe(401)
    const asToken = { path: '/v1/models', headers: { authorization: `Bearer ${value}` } }
    expect((await tested.request(asToken)).status).toBe(401)
  })
})
