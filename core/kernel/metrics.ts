import type { Metrics } from '../sdk.ts'

/** Label sets per metric; more than these are counted together, so that a mistake cannot fill the memory. */
const MAX_SERIES = 1_000

type Labels = Readonly<Record<string, string>>

/** One metric as it stands, for whoever exports it. */
export interface Metric {
  readonly name: string
  readonly help: string
  readonly type: 'counter' | 'gauge' | 'histogram'
  /** Names of the labels, in the order in which they make a series. */
  readonly labels: readonly string[]
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
    let isClosed = false
    const own = (metric: Omit<Metric, 'series'>): Metric => {
      // A late call does nothing: it counts where nobody looks.
      if (isClosed) return { ...metric, series: new Map<string, Series>() }
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
      return entry.metric
    }
    return {
      metrics: {
        counter(name, help, labels = []) {
          const metric = own({ name, help, type: 'counter', labels, buckets: [] })
          return { add: (amount, of = {}) => void (seriesOf(metric, of).value += amount) }
        },
        gauge(name, help, labels = []) {
          const metric = own({ name, help, type: 'gauge', labels, buckets: [] })
          return { set: (value, of = {}) => void (seriesOf(metric, of).value = value) }
        },
        histogram(name, help, bounds, labels = []) {
          const metric = own({ name, help, type: 'histogram', labels, buckets: bounds })
          // Who came first has said how it is divided.
          const { buckets } = metric
          return {
            observe(value, of = {}) {
              const one = seriesOf(metric, of)
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
        isClosed = true
      },
    }
  }

  /** Every metric, as it stands now. */
  list(): readonly Metric[] {
    return [...this.#metrics.values()].map(({ metric }) => metric)
  }
}

/** The series of a label set; labels that were not declared are left out, missing ones are empty. */
function seriesOf(metric: Metric, given: Labels): Series {
  const series = metric.series as Map<string, Series>
  const key = metric.labels.map((name) => given[name] ?? '').join('\0')
  const known = series.get(key)
  if (known) return known
  const labels = Object.fromEntries(metric.labels.map((name) => [name, given[name] ?? '']))
  if (series.size >= MAX_SERIES) {
    const other = Object.fromEntries(metric.labels.map((name) => [name, 'other']))
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
