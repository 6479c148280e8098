import type { JsonObject } from '../../kit/json.ts'
import type { Crossing } from '../hub/codec.ts'
import type { HubMessage } from '../hub/conversation.ts'
import { budgetOf, clampEffort, effortOf } from '../hub/efforts.ts'
import { json } from '../hub/fields.ts'
import type { Effort, HubRequest, ReasoningControl } from '../hub/request.ts'
import type { Turn } from '../hub/turns.ts'

/** The least that a budget may be. */
const MIN_BUDGET = 1024

/** `thinking`, and the `effort` of `output_config`, as the model takes them. */
export function encodeThinking(
  request: HubRequest,
  turns: readonly Turn[],
  maxTokens: number,
  crossing: Crossing,
): JsonObject {
  const { origins, reasoning } = request
  const { capabilities, report } = crossing
  if (reasoning === undefined) return {}
  const field = origins.reasoning ?? 'reasoning'
  const effort = effortOf(reasoning, maxTokens)
  if (capabilities.thinking === 'none') {
    if (effort !== 'none') report.note('dropped', field, 'the model does not think')
    return {}
  }
  if (effort === 'none') {
    if (capabilities.canStopThinking) {
      return capabilities.thinking === 'budget' ? {} : { thinking: { type: 'disabled' } }
    }
    report.note('dropped', field, 'the model cannot stop thinking')
    return {}
  }
  if (capabilities.thinking === 'budget') {
    return encodeBudget(request, turns, maxTokens, effort, crossing)
  }
  if (effort === undefined && reasoning.isAdaptive !== true && reasoning.budgetTokens !== -1) {
    return {}
  }
  return json({
    thinking: json({ type: 'adaptive', display: displayOf(reasoning) }),
    effort: effort && clamp(effort, field, crossing),
  })
}

function clamp(effort: Effort, field: string, { capabilities, report }: Crossing): Effort {
  const clamped = clampEffort(effort, capabilities)
  if (clamped !== effort) {
    report.note('emulated', field, `the model's nearest effort is ${JSON.stringify(clamped)}`)
  }
  return clamped
}

function displayOf({ isVisible }: ReasoningControl): string | undefined {
  return isVisible === undefined ? undefined : isVisible ? 'summarized' : 'omitted'
}

/** Where a budget cannot be had, the call goes without thinking, which is better than a 400. */
function encodeBudget(
  request: HubRequest,
  turns: readonly Turn[],
  maxTokens: number,
  effort: Effort | undefined,
  { report, schemaTool }: Crossing,
): JsonObject {
  const { origins, reasoning, toolChoice } = request
  const field = origins.reasoning ?? 'reasoning'
  const isForced =
    schemaTool !== undefined ||
    toolChoice?.type === 'required' ||
    toolChoice?.type === 'tool' ||
    (toolChoice?.type === 'subset' && toolChoice.mode === 'required')
  const asked = reasoning?.budgetTokens ?? 0
  const wanted = asked > 0 ? asked : budgetOf(effort ?? 'medium', maxTokens)
  const budget = Math.min(Math.max(MIN_BUDGET, wanted), maxTokens - 1)
  const obstacle = isForced
    ? 'the model does not think where a tool is forced'
    : budget < MIN_BUDGET
      ? `the model thinks with ${MIN_BUDGET} tokens at least, of more than that`
      : isInsideUnsignedTurn(turns)
        ? 'the calls of the last turn come without the thoughts that the model wants back'
        : undefined
  if (obstacle === undefined) return { thinking: { type: 'enabled', budget_tokens: budget } }
  report.note('dropped', field, obstacle)
  return {}
}

/** True where results answer calls that were made without proven thoughts. */
export function isInsideUnsignedTurn(
  turns: readonly Pick<HubMessage, 'role' | 'parts'>[],
): boolean {
  const answer = turns.findLast(({ role }) => role === 'assistant')
  if (answer === undefined || !answer.parts.some(({ type }) => type === 'toolCall')) return false
  return answer.parts[0]?.type !== 'reasoning'
}
