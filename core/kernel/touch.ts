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
import { remembering, rememberWhole } from './affinity.ts'
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
  /** The upstream that stores the answer, where others could be asked for it later. */
  readonly maker: string | undefined
}

/** Decides what to change, for the operations that ask a model; undefined where nothing is. */
export function touchOf(
  { req }: LiveExchange,
  path: string,
  { alias, isStored }: { readonly alias: string | undefined; readonly isStored: boolean },
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
    maker: isStored ? config.name : undefined,
  }
}

/** Changes the answer, or arranges for the events of a stream to be changed. */
export function applyTouch(exchange: LiveExchange, touch: Touch): void {
  const { res } = exchange
  if (touch.realModel !== undefined) res.set('x-sluice-model', headerList([touch.realModel]))
  if (res.isStream) exchange.editFrame = editOf(touch)
  else changeWhole(res, touch)
}

function editOf({ dialect, asksUsage, shownModel, maker }: Touch): FrameEdit | undefined {
  const edits: FrameEdit[] = []
  if (maker !== undefined) edits.push(remembering(maker))
  if (asksUsage) edits.push(withoutUsage)
  if (shownModel !== undefined) edits.push(renaming(dialect, shownModel))
  return edits.length === 0 ? undefined : (frame) => edited(frame, edits)
}

function changeWhole(res: LiveExchange['res'], { dialect, shownModel, maker }: Touch): void {
  const { bytes } = res
  if (bytes === undefined || res.status > 299 || !res.isJson) return
  if (maker !== undefined) rememberWhole(bytes, maker)
  if (shownModel === undefined) return
  res.bytes = renamedAnswer(dialect, bytes, shownModel)
  if (res.raw.hasHeader('content-length')) res.set('content-length', String(res.bytes.length))
}

function edited(frame: Parameters<FrameEdit>[0], edits: readonly FrameEdit[]) {
  let current: ReturnType<FrameEdit> = frame
  for (const edit of edits) {
    current = edit(current)
    if (current === undefined) return undefined
  }
  return current
}
