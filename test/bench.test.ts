import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { hasRedis } from './support/redis.ts'

/** All but the hostile scripts, which take their time and have tests of their own. */
const SCENARIOS = 'pass,pipeline,production,auth,limits,script,sse,convert,websocket,start'

test('the benchmark runs every scenario, no request fails, and nothing stays behind', async () => {
  const brief = ['--rounds', '1', '--seconds', '0.3', '--warm', '0.3']
  const args = ['test/bench/bench.ts', ...brief, '--only', SCENARIOS]
  const { stdout } = await promisify(execFile)(process.execPath, args, { timeout: 110_000 })
  const costs = [...stdout.matchAll(/^ {2}(sluice\S*.*?) +([\d.]+) µs/gm)]
  expect(costs.map(([, name]) => name)).toEqual([
    'sluice',
    'sluice',
    'sluice, 12 steps',
    'sluice',
    'sluice, five',
    'sluice, roadmap',
    'sluice',
    'sluice, auth',
    'sluice, and a quota',
    'sluice',
    'sluice, requests',
    'sluice, and tokens',
    'sluice',
    'sluice, body read',
    'sluice, inline',
    'sluice, process',
    'sluice, passed',
    'sluice, observed',
    'sluice, rewritten',
    'sluice, passed',
    'sluice, from messages',
    'sluice, passed',
    'sluice, from chat',
    'sluice',
  ])
  for (const [, , cost] of costs) expect(Number(cost)).toBeGreaterThan(0)
  expect(stdout).toMatch(/ready after \d+ ms .* idle \d+ MB/)
}, 120_000)

test.skipIf(!hasRedis)(
  'the benchmark of the store tells what a reservation costs on each',
  async () => {
    const args = ['test/bench/store.ts', '--seconds', '0.05']
    const { stdout } = await promisify(execFile)(process.execPath, args, { timeout: 60_000 })
    const rows = stdout.trim().split('\n').slice(1)
    expect(rows.map((row) => row.split(/ +/)[0])).toEqual(
      ['memory', 'sqlite', 'redis'].flatMap((store) => [store, store, store]),
    )
    for (const row of rows) expect(Number(/([\d.]+) µs/.exec(row)?.[1])).toBeGreaterThan(0)
  },
  90_000,
)
