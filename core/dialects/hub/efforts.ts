import type { Capabilities } from '../capabilities.ts'
import { EFFORTS, type Effort, type ReasoningControl } from './request.ts'

/** The effort nearest to the one asked for that the model knows; the higher of two equally near. */
export function clampEffort(effort: Effort, { efforts }: Capabilities): Effort {
  const wanted = EFFORTS.indexOf(effort)
  let nearest = effort
  let distance = Infinity
  for (const candidate of efforts) {
    const away = Math.abs(EFFORTS.indexOf(candidate) - wanted)
    if (away <= distance) {
      nearest = candidate
      distance = away
    }
  }
  return nearest
}

/** Below these shares of the answer's tokens, a budget counts as that effort. */
const LOW_SHARE = 0.35
const MEDIUM_SHARE = 0.65

/** The effort that was asked for in any form; undefined where thinking was left to the model. */
export function effortOf(
  { effort, budgetTokens }: ReasoningControl,
  maxOutputTokens: number,
): Effort | undefined {
  if (effort !== undefined) return effort
  if (budgetTokens === undefined || budgetTokens < 0) return undefined
  if (budgetTokens === 0) return 'none'
  const share = budgetTokens / maxOutputTokens
  if (share < LOW_SHARE) return 'low'
  return share < MEDIUM_SHARE ? 'medium' : 'high'
}

const SHARES: Readonly<Record<Effort, number>> = {
  none: 0,
  minimal: 0.1,
  low: 0.25,
  medium: 0.5,
  high: 0.75,
  xhigh: 0.9,
  max: 0.95,
}

/** Tokens to think with, of `maxOutputTokens`, for a model that counts them. */
export function budgetOf(effort: Effort, maxOutputTokens: number): number {
  return Math.floor(SHARES[effort] * maxOutputTokens)
}
