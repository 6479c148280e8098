/**
 * Smooth weighted round robin, as in nginx: with weights 5, 1 and 1 the order is a a b a c a a, never five in a row.
 * Returns positions; with one weight always 0. Positions to `avoid` are only returned where there is no other.
 */
export function inTurn(weights: readonly number[]): (avoid?: ReadonlySet<number>) => number {
  if (weights.length === 1) return () => 0
  const standing = weights.map(() => 0)
  return (avoid) => {
    const isFree = (index: number) => avoid === undefined || !avoid.has(index)
    const all = avoid === undefined || weights.every((_, index) => avoid.has(index))
    let best = -1
    let total = 0
    for (const [index, weight] of weights.entries()) {
      if (!all && !isFree(index)) continue
      total += weight
      standing[index]! += weight
      if (best === -1 || standing[index]! > standing[best]!) best = index
    }
    standing[best]! -= total
    return best
  }
}
