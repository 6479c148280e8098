import { formatDuration } from '#core/kit/duration.ts'
import type { Report } from '#core/sdk.ts'
import { suggest } from '#core/kit/suggest.ts'
import { isList, type Limits, type Options, type Window, windowsOf } from './options.ts'
import { BUILT_IN } from './subjects.ts'

type Path = (string | number)[]

/** Says what the schema cannot: limits that limit nothing, or that no request could ever keep. */
export function checkOptions(options: Options, report: Report): void {
  checkLimits(options.limits, ['limits'], options, report)
  if (Object.keys(options.limits).length === 0) {
    report.warning(
      ['limits'],
      'is empty, so it limits nothing',
      'say perUser: { requests: 100, window: 1m }',
    )
  }
  checkBurst(options.burstAllowance, options.strategy, ['burstAllowance'], report)
  for (const [name, { limits }] of Object.entries(options.levels)) {
    if (limits) checkLimits(limits, ['levels', name, 'limits'], options, report)
  }
  if (options.boundOutput && !countsTokens(options)) {
    report.warning(
      ['boundOutput'],
      'does nothing, since no limit counts tokens',
      'leave it out, or give a limit tokens',
    )
  }
}

/** True where any limit, of any level, counts tokens. */
export function countsTokens({ limits, levels }: Options): boolean {
  return [limits, ...Object.values(levels).map((level) => level.limits ?? {})].some((one) =>
    Object.values(one).some((limit) => windowsOf(limit).some(({ tokens }) => tokens !== undefined)),
  )
}

function checkLimits(limits: Limits, at: Path, options: Options, report: Report): void {
  for (const [name, limit] of Object.entries(limits)) {
    const seen = new Set<string>()
    for (const [index, window] of windowsOf(limit).entries()) {
      const path = [...at, name, ...(isList(limit) ? [index] : [])]
      checkKey(name, window, path, report)
      checkWindow(window, path, options, report)
      const same = `${window.strategy ?? options.strategy} ${window.window} ${JSON.stringify(window.key?.source)}`
      if (seen.has(same)) {
        const message = `counts over ${formatDuration(window.window)} a second time`
        report.error(path, message, 'give each window of a list another length')
      }
      seen.add(same)
    }
  }
}

function checkKey(name: string, { key }: Window, path: Path, report: Report): void {
  const isBuiltIn = Object.hasOwn(BUILT_IN, name)
  if (isBuiltIn && key !== undefined) {
    report.error([...path, 'key'], `${name} has its own`, 'give a limit with a key another name')
  }
  if (isBuiltIn || key !== undefined) return
  const near = suggest(name, Object.keys(BUILT_IN))
  const hint = 'say key: $consumer.team, or whatever is to be counted together'
  report.error(path, `${name} has no key`, near === undefined ? hint : `did you mean ${near}?`)
}

function checkWindow(window: Window, path: Path, options: Options, report: Report): void {
  const { requests, tokens, strategy = options.strategy, burstAllowance } = window
  if (requests === undefined && tokens === undefined) {
    report.error(path, 'has neither requests nor tokens', 'say requests: 100, or tokens: 50000')
  }
  checkBurst(burstAllowance, strategy, [...path, 'burstAllowance'], report)
  const capacity = strategy === 'token-bucket' ? (burstAllowance ?? options.burstAllowance) : 1
  if (tokens !== undefined && options.maxOutput > tokens * capacity) {
    report.warning(
      [...path, 'tokens'],
      `no request without a bound of its own ever fits: maxOutput reserves ${options.maxOutput} tokens for its answer`,
      `set maxOutput well below ${tokens}`,
    )
  }
}

function checkBurst(burst: number | undefined, strategy: string, path: Path, report: Report): void {
  if (burst === undefined) return
  if (burst < 1) {
    report.error(
      path,
      `expected at least 1, got ${burst}`,
      '1 is a bucket that holds its limit, 1.5 half as much again',
    )
  } else if (burst > 1 && strategy !== 'token-bucket') {
    report.error(path, `has no meaning for a ${strategy}`, 'strategy: token-bucket allows bursts')
  }
}
