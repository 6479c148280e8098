import type { Metrics } from '../sdk.ts'

/** Label sets per metric; more than these are counted together, so that a mistake cannot fill the memory. */
const MAX_SERIES = 1_000

type Labels = Readonly<Record<string, string>>

/** One metric as it stands, for whoever exports it. */
export interface Metric {
  readonly name: string
  readonly help: string
  readonly type: 'counter' | 'gauge' | 'histogram'
  /** Upper bounds of a histogram's buckets. */
  readonly buckets: readonly number[]
  readonly series: ReadonlyMap<string, Series>
}

/** One label set of a metric. */
export interface Series {
  readonly labels: Labels
  /** The count, the value, or a histogram's sum. */
  value: number
  /** Observations per bucket, the last one without a bound. Empty for counters and gauges. */
  readonly counts: number[]
}

/** All metrics of the gateway, by name. */
export class MetricRegistry {
  readonly #metrics = new Map<string, { metric: Metric; owners: number }>()

  /** A view for one owner; `close` takes away what no other owner uses. */
  open(): { metrics: Metrics; close(): void } {
    const owned = new Set<string>()
    const own = (metric: Omit<Metric, 'series'>) => {
      const known = this.#metrics.get(metric.name)
      if (known !== undefined && known.metric.type !== metric.type) {
        throw new Error(`the metric ${metric.name} is a ${known.metric.type} already`)
      }
      const entry = known ?? { metric: { ...metric, series: new Map<string, Series>() }, owners: 0 }
      this.#metrics.set(metric.name, entry)
      if (!owned.has(metric.name)) {
        owned.add(metric.name)
        entry.owners++
      }
      return (labels: Labels) => seriesOf(entry.metric, labels)
    }
    return {
      metrics: {
        counter(name, help) {
          const series = own({ name, help, type: 'counter', buckets: [] })
          return { add: (amount, labels = {}) => void (series(labels).value += amount) }
        },
        gauge(name, help) {
          const series = own({ name, help, type: 'gauge', buckets: [] })
          return { set: (value, labels = {}) => void (series(labels).value = value) }
        },
        histogram(name, help, buckets) {
          const series = own({ name, help, type: 'histogram', buckets })
          return {
            observe(value, labels = {}) {
              const one = series(labels)
              const bucket = buckets.findIndex((bound) => value <= bound)
              one.value += value
              one.counts[bucket === -1 ? buckets.length : bucket]!++
            },
          }
        },
      },
      close: () => {
        for (const name of owned) {
          const entry = this.#metrics.get(name)!
          if (--entry.owners === 0) this.#metrics.delete(name)
        }
        owned.clear()
      },
    }
  }

  /** Every metric, as it stands now. */
  list(): readonly Metric[] {
    return [...this.#metrics.values()].map(({ metric }) => metric)
  }
}

function seriesOf(metric: Metric, labels: Labels): Series {
  const series = metric.series as Map<string, Series>
  const key = Object.values(labels).join('\0')
  const known = series.get(key)
  if (known) return known
  if (series.size >= MAX_SERIES) {
    const other = Object.fromEntries(Object.keys(labels).map((name) => [name, 'other']))
    const otherKey = Object.values(other).join('\0')
    return series.get(otherKey) ?? addSeries(metric, series, otherKey, other)
  }
  return addSeries(metric, series, key, labels)
}

function addSeries(
  metric: Metric,
  series: Map<string, Series>,
  key: string,
  labels: Labels,
): Series {
  const counts = metric.type === 'histogram' ? metric.buckets.map(() => 0).concat(0) : []
  const made: Series = { labels, value: 0, counts }
  series.set(key, made)
  return made
}
