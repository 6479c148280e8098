import type { JsonObject } from '../../kit/json.ts'
import type { TargetName } from './conversation.ts'
import { judgeLeftovers } from './leftovers.ts'
import type { HubRequest } from './request.ts'
import { conceptOf, hasField, verdictOf, type Concept, type Verdict } from './verdicts.ts'

/** What became of one field of a request. `mapped` fields are not listed. */
export interface Finding {
  readonly verdict: Exclude<Verdict, 'mapped'>
  /** The client's own name of the field, with its place: `messages[2].content[0]`. */
  readonly field: string
  readonly reason: string
}

/** A conversation may have thousands of parts with the same fault. */
const MAX_FINDINGS = 100

/** Collects what a conversion cannot carry over as it is. */
export class Report {
  readonly target: TargetName
  readonly #findings = new Map<string, Finding>()

  constructor(target: TargetName) {
    this.target = target
  }

  /** All findings, in the order they were made; at most one for each verdict and field. */
  get findings(): readonly Finding[] {
    return [...this.#findings.values()]
  }

  /** The field names with this verdict. */
  fields(verdict: Finding['verdict']): readonly string[] {
    return this.findings.filter((finding) => finding.verdict === verdict).map(({ field }) => field)
  }

  /** The findings for which the request must be answered with 400; in strict mode dropped fields count. */
  refusals(isStrict = false): readonly Finding[] {
    return this.findings.filter(
      ({ verdict }) => verdict === 'refused' || (isStrict && verdict === 'dropped'),
    )
  }

  /** Notes the table's verdict of a concept at `field`, and gives it back. */
  judge(concept: Concept, field: string): Verdict {
    const { verdict, reason } = verdictOf(concept, this.target)
    if (verdict !== 'mapped') this.note(verdict, field, reason)
    return verdict
  }

  /** Notes what the table cannot know, because it depends on the model or the value. */
  note(verdict: Finding['verdict'], field: string, reason: string): void {
    const key = `${verdict} ${field}`
    if (this.#findings.has(key) || this.#findings.size >= MAX_FINDINGS) return
    this.#findings.set(key, { verdict, field, reason })
  }
}

/**
 * Judges all top-level fields of a request for another dialect, and what its messages and tools keep as native:
 * encoders call it first, and add what depends on models and values. Gives back the extras that the target knows by the
 * same name and meaning, to be carried on. A request of the same dialect has nothing to judge.
 */
export function judgeRequest(request: HubRequest, report: Report): JsonObject {
  const carried: JsonObject = {}
  const { extras, origins, source } = request
  if (source === report.target) return carried
  for (const [concept, field] of Object.entries(origins)) report.judge(concept as Concept, field)
  for (const [field, value] of Object.entries(extras)) {
    if (value === null) continue
    const concept = conceptOf(source, field) ?? 'unknown'
    if (report.judge(concept, field) !== 'mapped') continue
    if (hasField(report.target, field, concept)) carried[field] = value
    else if (concept !== 'version')
      report.note('dropped', field, 'the target has it in no like form')
  }
  judgeLeftovers(request, report)
  return carried
}
