import { parsePath, setPath } from '#core/kit/paths.ts'
import type { Host } from '#core/sdk.ts'
import type { Change } from './body-rules.ts'
import type { HeaderChange } from './header-rules.ts'

/** Says in header fields where the answer came from. */
export function metadataHeaders(host: Host): HeaderChange {
  return (patch, exchange) => {
    patch['x-sluice-route'] = exchange.route
    patch['x-sluice-duration-ms'] = String(host.now() - exchange.now)
    const { upstream } = exchange
    if (upstream === undefined) return
    patch['x-sluice-upstream'] = upstream.name
    patch['x-sluice-attempt'] = String(upstream.attempt)
  }
}

/** Says in header fields of a request where it comes from. */
export const metadataRequestHeaders: HeaderChange = (patch, { id, route }) => {
  patch['x-sluice-request-id'] = id
  patch['x-sluice-route'] = route
}

/** Says in a field of a JSON body where it came from, or goes through. */
export function metadataField(path: string, side: 'input' | 'output', host: Host): Change {
  const segments = parsePath(path)
  if (side === 'input') {
    return (document, { id, route }) => setPath(document, segments, { requestId: id, route })
  }
  return (document, { id, route, upstream, now }) =>
    setPath(document, segments, {
      requestId: id,
      route,
      ...(upstream && { upstream: upstream.name, attempt: upstream.attempt }),
      durationMs: host.now() - now,
    })
}
