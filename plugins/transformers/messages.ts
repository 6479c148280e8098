import type { Hooks, Host } from '#core/sdk.ts'
import type { Options } from './options.ts'
import { compileTransforms, patchOf, type Transforms } from './transform.ts'

/** Compiles what happens to WebSocket messages: to those of the client as input, to those of the upstream as output. */
export async function compileMessages(
  { input, output }: Options,
  host: Host,
): Promise<Hooks['message'] | undefined> {
  const client = await compileTransforms(input, 'input', 'message', host)
  const upstream = await compileTransforms(output, 'output', 'message', host)
  if (!changes(client) && !changes(upstream)) return undefined
  return (message, exchange) => {
    if (message.isBinary) return undefined
    return patchOf(message.from === 'client' ? client : upstream, message, exchange)
  }
}

function changes({ transforms, filter }: Transforms): boolean {
  return transforms.length > 0 || filter !== undefined
}
