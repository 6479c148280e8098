import { expect, it, onTestFinished, vi } from 'vitest'
import { Scripts } from '#core/config/scripts.ts'
import { MetricRegistry } from '#core/kernel/metrics.ts'
import { Sandboxes } from '#core/sandbox/sandbox.ts'
import type { Logger } from '#core/sdk.ts'
import { LIMITS } from './programs.ts'

const silent = () => undefined
const quiet: Logger = { debug: silent, info: silent, warn: silent, error: silent }
const WAIT = { timeout: 20_000 }

it('tells whose script has cost a process, and counts the processes that ended', async () => {
  const registry = new MetricRegistry()
  const sandboxes = new Sandboxes(quiet, registry.open().metrics)
  onTestFinished(() => sandboxes.close())
  const { script } = new Scripts('.').inline('let n = 2n; for (;;) n = n ** 2n', undefined)
  const said: string[] = []
  const log = { ...quiet, warn: (message: string) => void said.push(message) }
  const listener = { log, now: Date.now, called: silent, switched: silent }
  const settings = {
    ...LIMITS,
    sandbox: 'process',
    breaker: { failures: 20, pauseMs: 1_000 },
  } as const
  const open = await sandboxes.for('guard', listener).open(script!, settings)
  await vi.waitFor(() => expect(sandboxes.pids).toHaveLength(2), WAIT)
  await expect(open.run({})).rejects.toMatchObject({ code: 'SCRIPT_TIMEOUT' })
  expect(said).toEqual(['script runs apart from others'])
  expect(sandboxes.states()).toMatchObject([{ step: 'guard', isApart: true, failures: 5 }])
  const ended = () => {
    const [metric] = registry.list()
    return [...(metric?.series.values() ?? [])].map(({ labels, value }) => ({ ...labels, value }))
  }
  await vi.waitFor(() => expect(ended()).toEqual([{ reason: 'timeout', value: 1 }]), WAIT)
})
