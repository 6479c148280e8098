import { TEXT_FORMATS } from '../dialects/texts/index.ts'
import { isText } from '../kit/media-types.ts'
import { MadeChunk, WholeChunk } from './chunks.ts'
import type { LiveExchange } from './exchange.ts'
import { flushed, patched } from './patched.ts'
import { type LiveStep, stepFailed } from './step.ts'
import { TextStage, type Written } from './text-stage.ts'

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
  const stage = new TextStage(TEXT_FORMATS[exchange.req.dialect])
  const made: Chunk[] = []
  for (const chunk of chunks) {
    chunk.enter(stage)
    const changed = await settled(exchange, step, async () =>
      patched(stage, chunk, await hooks.chunk?.(chunk, exchange)),
    )
    if (changed === undefined) made.push(chunk)
    else made.push(...changed.map((written) => (written === undefined ? chunk : madeOf(written))))
  }
  const rest = await settled(exchange, step, async () => flushed(await hooks.flush?.(exchange)))
  if (rest !== undefined) made.push(...rest.map(madeOf))
  return made
}

function madeOf(written: Written): Chunk {
  return new MadeChunk(written, 'text', true)
}

/** What a step has made; undefined where it broke and that is to be let pass. */
async function settled<T>(
  exchange: LiveExchange,
  step: LiveStep,
  run: () => Promise<T>,
): Promise<T | undefined> {
  try {
    return await run()
  } catch (cause) {
    stepFailed(step, exchange, cause)
    return undefined
  }
}
