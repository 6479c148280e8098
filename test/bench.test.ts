import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'

test('the benchmark runs every scenario, no request fails, and nothing stays behind', async () => {
  const args = ['test/bench/bench.ts', '--rounds', '1', '--seconds', '0.3', '--warm', '0.3']
  const { stdout } = await promisify(execFile)(process.execPath, args, { timeout: 60_000 })
  const costs = [...stdout.matchAll(/^ {2}(sluice\S*.*?) +([\d.]+) µs/gm)]
  expect(costs.map(([, name]) => name)).toEqual([
    'sluice',
    'sluice',
    'sluice, 12 steps',
    'sluice, passed',
    'sluice, observed',
    'sluice, rewritten',
    'sluice',
  ])
  for (const [, , cost] of costs) expect(Number(cost)).toBeGreaterThan(0)
  expect(stdout).toMatch(/ready after \d+ ms .* idle \d+ MB/)
}, 90_000)
