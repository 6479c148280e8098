import type { DemoOptions } from '../../dialects/demo-schema.ts'
import { parseDuration } from '../../kit/duration.ts'
import type { UpstreamRequest } from '../upstream.ts'

/** How one request is to be treated. */
export interface Treatment {
  readonly delayMs: number
  readonly chunkDelayMs: number
  /** Set where it is to fail. */
  readonly failStatus: number | undefined
  readonly retryAfterMs: number | undefined
  readonly cutAfter: number | undefined
}

/** Decides for the `count`th request, by the options and, where they allow it, by what the request asks for. */
export function treat(
  options: DemoOptions,
  headers: UpstreamRequest['headers'],
  count: number,
): Treatment {
  const { delay, chunkDelay, fail, retryAfter, cutAfter } = options
  const isDue = fail !== undefined && count % fail.every === 0
  const treatment: Treatment = {
    delayMs: delay,
    chunkDelayMs: chunkDelay,
    failStatus: isDue ? fail.status : undefined,
    retryAfterMs: retryAfter,
    cutAfter,
  }
  return options.allowControl ? controlled(treatment, headers) : treatment
}

/** What cannot be read is passed over: a test will notice. */
function controlled(treatment: Treatment, headers: UpstreamRequest['headers']): Treatment {
  const status = Number(headers['x-demo-fail'] ?? NaN)
  const cut = Number(headers['x-demo-cut'] ?? NaN)
  return {
    ...treatment,
    ...(status >= 400 && status <= 599 ? { failStatus: Math.floor(status) } : {}),
    ...(cut >= 0 ? { cutAfter: Math.floor(cut) } : {}),
    ...delayFrom(headers['x-demo-delay']),
  }
}

function delayFrom(value: string | string[] | undefined): { delayMs?: number } {
  try {
    return typeof value === 'string' ? { delayMs: parseDuration(value) } : {}
  } catch {
    return {}
  }
}
