import { capabilitiesOf } from '../dialects/capabilities.ts'
import type { ClientDialect } from '../dialects/dialect.ts'
import { conversionOf, endpointIn, isLlmDialect } from '../dialects/operations.ts'
import {
  type FrameEdit,
  lacksStreamUsage,
  renamedAnswer,
  renaming,
  withoutUsage,
} from '../dialects/same-dialect.ts'
import { headerList } from '../kit/header-list.ts'
import type { DeliverOptions, LiveUpstream } from './ask.ts'
import type { LiveExchange } from './exchange.ts'

/** What is changed where client and upstream speak the same dialect; most exchanges pass untouched. */
export interface Touch {
  readonly dialect: ClientDialect
  /** True where the upstream is asked for the tokens of a stream, and the client has not asked. */
  readonly asksUsage: boolean
  /** The model by the client's name for it, where the upstream has another. */
  readonly shownModel: string | undefined
  readonly realModel: string | undefined
}

/** Decides what to change, for the operations that ask a model; undefined where nothing is. */
export function touchOf(
  { req }: LiveExchange,
  path: string,
  alias: string | undefined,
  { needsUsage }: DeliverOptions,
  { config }: LiveUpstream,
): Touch | undefined {
  const { dialect } = req
  if (!isLlmDialect(dialect) || req.protocol === 'websocket') return undefined
  const operation = endpointIn(dialect, req.method, path, req.headers)?.endpoint.operation
  if (operation === undefined) return undefined
  const isAnswer = conversionOf(operation) === 'conversation'
  return {
    dialect,
    asksUsage:
      needsUsage &&
      lacksStreamUsage(dialect, operation, req.body) &&
      capabilitiesOf(alias ?? req.model ?? '', config.capabilities).streamUsage,
    shownModel: alias !== undefined && isAnswer ? req.model : undefined,
    realModel: alias,
  }
}

/** Changes the answer, or arranges for the events of a stream to be changed. */
export function applyTouch(exchange: LiveExchange, touch: Touch): void {
  const { res } = exchange
  const { dialect, asksUsage, shownModel, realModel } = touch
  if (realModel !== undefined) res.set('x-sluice-model', headerList([realModel]))
  const edits: FrameEdit[] = []
  if (asksUsage) edits.push(withoutUsage)
  if (shownModel !== undefined) edits.push(renaming(dialect, shownModel))
  if (res.isStream) {
    exchange.editFrame = edits.length > 0 ? (frame) => edited(frame, edits) : undefined
  } else if (shownModel !== undefined && res.status < 300 && res.isJson) {
    res.bytes = renamedAnswer(dialect, res.bytes!, shownModel)
    if (res.raw.hasHeader('content-length')) res.set('content-length', String(res.bytes.length))
  }
}

function edited(frame: Parameters<FrameEdit>[0], edits: readonly FrameEdit[]) {
  let current: ReturnType<FrameEdit> = frame
  for (const edit of edits) {
    current = edit(current)
    if (current === undefined) return undefined
  }
  return current
}
