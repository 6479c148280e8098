import type { ChunkPatch } from '../exchange.ts'
import { isText } from '../kit/media-types.ts'
import { MadeChunk, WholeChunk } from './chunks.ts'
import { chunksOf } from './events.ts'
import type { LiveExchange } from './exchange.ts'
import { type LiveStep, stepFailed } from './step.ts'

/** A plain answer on its way through the hooks: as a whole, or as what the hooks have made of it. */
type Chunk = WholeChunk | MadeChunk

/** Shows a plain answer, as one chunk, to the hooks that a stream would pass: `chunk`, then `flush`. */
export async function showWhole(exchange: LiveExchange, hooks: readonly LiveStep[]): Promise<void> {
  const { res } = exchange
  const bytes = res.bytes
  if (bytes === undefined || bytes.length === 0 || !isText(res.header('content-type'))) return
  const first = new WholeChunk(bytes.toString())
  let chunks: readonly Chunk[] = [first]
  for (const step of hooks) chunks = await showStep(exchange, step, chunks)
  if (chunks.length === 1 && chunks[0] === first) return
  res.body = chunks.map((chunk) => chunk.data).join('')
}

/** What one step makes of the chunks. */
async function showStep(
  exchange: LiveExchange,
  step: LiveStep,
  chunks: readonly Chunk[],
): Promise<readonly Chunk[]> {
  const { hooks } = step
  const made: Chunk[] = []
  if (hooks.chunk === undefined) made.push(...chunks)
  else {
    for (const chunk of chunks) {
      const patch = await settled(exchange, step, () => hooks.chunk!(chunk, exchange))
      if (patch === undefined) made.push(chunk)
      else made.push(...madeOf(patch))
    }
  }
  if (hooks.flush) made.push(...madeOf(await settled(exchange, step, () => hooks.flush!(exchange))))
  return made
}

function madeOf(patch: ChunkPatch): readonly Chunk[] {
  if (patch === undefined || patch === null) return []
  return chunksOf(patch).map((made) => new MadeChunk(made, 'message', 'text', true))
}

async function settled(
  exchange: LiveExchange,
  step: LiveStep,
  run: () => ChunkPatch | Promise<ChunkPatch>,
): Promise<ChunkPatch> {
  try {
    return await run()
  } catch (cause) {
    stepFailed(step, exchange, cause)
    return undefined
  }
}
