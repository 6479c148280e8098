import type { ChunkPatch, NewChunk } from '../exchange.ts'
import type { LiveChunk } from './chunks.ts'
import { denied } from './step.ts'
import { type TextStage, type Written, written } from './text-stage.ts'

/**
 * What a hook has made of a chunk: undefined where it goes on as it is, else what takes its place, in which undefined
 * stands for the chunk itself. Throws the refusal where the patch is one.
 */
export function patched(
  stage: TextStage,
  chunk: LiveChunk,
  patch: ChunkPatch,
): readonly (Written | undefined)[] | undefined {
  const isRead = chunk.isRead || stage.isWatching
  if (patch === undefined) {
    const changed = isRead ? stage.passed(chunk, chunk.shown) : undefined
    return changed && [changed]
  }
  if (patch === null && !isRead) return NOTHING
  const made = patch === null ? NOTHING : chunksOf(patch)
  if (!isRead && !made.some(hasText)) return made.map((one) => written(one, chunk.event))
  return stage.replaced(chunk, chunk.shown, made)
}

/** What a `flush` hook has given, where there is no chunk that it could change. */
export function flushed(patch: ChunkPatch): readonly Written[] {
  if (patch === undefined || patch === null) return []
  return chunksOf(patch).map((made) => {
    if (!hasText(made)) return written(made, 'message')
    throw new RangeError('flush gives data or json; what is held back of a text comes by itself')
  })
}

const NOTHING: readonly never[] = []

function chunksOf(patch: NonNullable<ChunkPatch>): readonly NewChunk[] {
  if (isList(patch)) return patch
  if ('deny' in patch) throw denied(patch.deny)
  return [patch]
}

function hasText({ text, texts }: NewChunk): boolean {
  return text !== undefined || texts !== undefined
}

function isList(patch: NonNullable<ChunkPatch>): patch is readonly NewChunk[] {
  return Array.isArray(patch)
}
