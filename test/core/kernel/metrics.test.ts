import { expect, test } from 'vitest'
import { MetricRegistry } from '#core/kernel/metrics.ts'

const values = (registry: MetricRegistry, name: string) =>
  [
    ...registry
      .list()
      .find((metric) => metric.name === name)!
      .series.values(),
  ].map(({ labels, value }) => [labels, value])

test('labels are told apart by name, whatever the order in which they are written', () => {
  const registry = new MetricRegistry()
  const hits = registry.open().metrics.counter('hits', 'Hits.', ['a', 'b'])
  hits.add(1, { a: 'x', b: 'y' })
  hits.add(2, { b: 'y', a: 'x' })
  hits.add(4, { b: 'x', a: 'y' })
  hits.add(8, { a: 'x' })
  hits.add(16, { a: 'x', b: 'y', undeclared: 'z' })
  expect(values(registry, 'hits')).toEqual([
    [{ a: 'x', b: 'y' }, 19],
    [{ a: 'y', b: 'x' }, 4],
    [{ a: 'x', b: '' }, 8],
  ])
})

test('a metric lives as long as one of its owners, and keeps its count from one to the next', () => {
  const registry = new MetricRegistry()
  const first = registry.open()
  first.metrics.counter('hits', 'Hits.').add(1)
  const second = registry.open()
  const counter = second.metrics.counter('hits', 'Hits.')
  first.close()
  counter.add(2)
  expect(values(registry, 'hits')).toEqual([[{}, 3]])
  second.close()
  expect(registry.list()).toEqual([])
})

test('what a closed owner counts or registers is seen by nobody', () => {
  const registry = new MetricRegistry()
  const { metrics, close } = registry.open()
  const counter = metrics.counter('hits', 'Hits.')
  close()
  counter.add(1)
  metrics.gauge('late', 'Late.').set(1)
  close()
  expect(registry.list()).toEqual([])
})

test('too many label sets are counted together', () => {
  const registry = new MetricRegistry()
  const hits = registry.open().metrics.counter('hits', 'Hits.', ['who'])
  for (let who = 0; who < 1_200; who++) hits.add(1, { who: String(who) })
  const series = values(registry, 'hits')
  expect(series).toHaveLength(1_001)
  expect(series.at(-1)).toEqual([{ who: 'other' }, 200])
})

test('one name is one type', () => {
  const registry = new MetricRegistry()
  registry.open().metrics.counter('hits', 'Hits.')
  expect(() => registry.open().metrics.gauge('hits', 'Hits.')).toThrow('is a counter already')
})

test('a histogram counts per bucket, in the buckets of who came first', () => {
  const registry = new MetricRegistry()
  registry.open().metrics.histogram('ms', 'Time.', [10, 100]).observe(10)
  const second = registry.open().metrics.histogram('ms', 'Time.', [1, 2, 3, 4])
  second.observe(50)
  second.observe(5_000)
  const [metric] = registry.list()
  expect([...metric!.series.values()][0]).toMatchObject({ value: 5_060, counts: [1, 1, 1] })
})
