/**
 * Smooth weighted round robin, as in nginx: with weights 5, 1 and 1 the order is a a b a c a a, never five in a row.
 * Returns positions; with one weight always 0.
 */
export function inTurn(weights: readonly number[]): () => number {
  if (weights.length === 1) return () => 0
  const standing = weights.map(() => 0)
  const total = weights.reduce((sum, weight) => sum + weight, 0)
  return () => {
    let best = 0
    for (const [index, weight] of weights.entries()) {
      standing[index]! += weight
      if (standing[index]! > standing[best]!) best = index
    }
    standing[best]! -= total
    return best
  }
}
