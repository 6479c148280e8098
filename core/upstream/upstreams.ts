import type { UpstreamConfig } from '../config/model.ts'
import { createDemoUpstream } from './demo/demo.ts'
import { createHttpUpstream, type UpstreamContext } from './http-upstream.ts'
import { undici } from './undici.ts'
import type { Upstream } from './upstream.ts'

/** Loads what the first request to an HTTP upstream needs, ahead of it. */
export function warmUp(): void {
  undici()
}

/** Opens what a config names as an upstream. Nothing is connected before the first request. */
export function openUpstream(config: UpstreamConfig, context: UpstreamContext): Upstream {
  return config.dialects.includes('demo')
    ? createDemoUpstream(config, context)
    : createHttpUpstream(config, context)
}
