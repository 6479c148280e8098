import { asksByModel } from '../dialects/providers.ts'
import type { ExtraOperator } from '../expressions/compile.ts'
import type { Json } from '../kit/json.ts'
import { isObject } from '../kit/json.ts'
import type { UpstreamConfig } from './model.ts'

/**
 * The operator `byModel`: the name of the upstream that serves the request's model, or the model that is given. A
 * name that stands in full wins over a pattern; among equals, the upstream that stands first. Null where none does.
 */
export function byModel(upstreams: ReadonlyMap<string, UpstreamConfig>): ExtraOperator {
  const exact = new Map<string, string>()
  const patterns: { readonly fits: (model: string) => boolean; readonly name: string }[] = []
  for (const { name, models } of upstreams.values()) {
    for (const { pattern } of models) {
      if (pattern.includes('*')) patterns.push({ fits: globTest(pattern), name })
      else if (!exact.has(pattern)) exact.set(pattern, name)
    }
  }
  const find = (model: Json | undefined): string | null => {
    if (typeof model !== 'string') return null
    return exact.get(model) ?? patterns.find(({ fits }) => fits(model))?.name ?? null
  }
  const serving = [...upstreams.values()].filter(({ models }) => models.length > 0)
  return {
    arity: [0, 1],
    scopes: ['request'],
    reads: ['request.model'],
    results: serving.map(({ name }) => name),
    evaluate: ([model], { req }) =>
      find(model ?? (isObject(req) ? (req['model'] as Json | undefined) : undefined)),
  }
}

/** True where an upstream must be told the request's model: by another name, or in the path. */
export function needsModel({ apiVersion, dialects, models }: UpstreamConfig): boolean {
  return asksByModel(dialects, apiVersion) || models.some(({ as }) => as !== undefined)
}

/** `*` stands for any text, the empty one too. No backtracking: each piece is taken where it first fits. */
export function globTest(pattern: string): (text: string) => boolean {
  const pieces = pattern.split('*')
  const first = pieces[0]!
  const last = pieces.at(-1)!
  const middle = pieces.slice(1, -1)
  return (text) => {
    if (text.length < first.length + last.length) return false
    if (!text.startsWith(first) || !text.endsWith(last)) return false
    const end = text.length - last.length
    let from = first.length
    for (const piece of middle) {
      const at = text.indexOf(piece, from)
      if (at === -1 || at + piece.length > end) return false
      from = at + piece.length
    }
    return true
  }
}
