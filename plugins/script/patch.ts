import { headerProblem } from '#core/kit/header-field.ts'
import {
  type Chunk,
  type ChunkPatch,
  type Denial,
  type Json,
  type JsonObject,
  type Message,
  type MessagePatch,
  type NewChunk,
  type NewText,
  type RequestPatch,
  type ResponsePatch,
  type ScriptResult,
  StepFailure,
  type Text,
} from '#core/sdk.ts'

/** What comes out of a script, as it was put together inside. Nothing of it is believed without a look. */
interface Head extends JsonObject {
  deny?: { status: number; message: string }
}

/** What a script made of a request. Throws a StepFailure for what a gateway cannot do. */
export function requestPatch(
  { head, body }: ScriptResult,
  upstreams: readonly string[],
): RequestPatch | undefined {
  const deny = denialOf(head)
  if (deny !== undefined) return { deny }
  const { upstream, path, query, headers, vars } = head as Head
  if (typeof upstream === 'string' && !upstreams.includes(upstream)) {
    throw failure(`there is no upstream ${JSON.stringify(upstream)}`)
  }
  return compact({
    upstream: textOr(upstream),
    path: pathOf(path),
    query: textsOf(query, 'query'),
    headers: headersOf(headers, 'req'),
    vars: mapOr(vars),
    body,
  })
}

/** What a script made of an answer. */
export function responsePatch({ head, body }: ScriptResult): ResponsePatch | undefined {
  const deny = denialOf(head)
  if (deny !== undefined) return { deny }
  const { status, headers, vars } = head as Head
  if (status !== undefined && !isStatus(status)) {
    throw failure(`${JSON.stringify(status)} is no status of an answer`)
  }
  return compact({
    status: typeof status === 'number' ? status : undefined,
    headers: headersOf(headers, 'res'),
    vars: mapOr(vars),
    body,
  })
}

/** What a script made of an event or a plain answer. */
export function chunkPatch({ head }: ScriptResult, chunk: Chunk): ChunkPatch {
  const deny = denialOf(head)
  if (deny !== undefined) return { deny }
  if (head['drop'] === true) return null
  const changed = mapOr(head['chunk'])
  if (changed === undefined) return undefined
  const { event, isWhole } = changed
  if (isWhole !== undefined) throw failure('it changed chunk.isWhole, which cannot be changed')
  return { ...given({ event: textOr(event) }), ...pieceOf(changed, chunk) }
}

/** What a script made of a message. */
export function messagePatch({ head }: ScriptResult, message: Message): MessagePatch {
  const deny = denialOf(head)
  if (deny !== undefined) return { deny }
  if (head['drop'] === true) return null
  const { replies, close } = head as Head & Told
  const changed = mapOr(head['msg'])
  if (changed?.['from'] !== undefined) throw failure('it changed msg.from, which cannot be changed')
  if (close !== undefined && !isCloseCode(close.code)) {
    throw failure(`${close.code} is no code that ends a session: 1000, or 3000 to 4999`)
  }
  const patch = {
    ...(changed && pieceOf(changed, message)),
    ...given({ reply: replies?.map((data) => ({ data })), close }),
  }
  return Object.keys(patch).length === 0 ? undefined : patch
}

interface Told {
  replies?: string[]
  close?: { code: number; reason: string }
}

/** RFC 6455 §7.4: what an application may say itself. */
function isCloseCode(code: number): boolean {
  return code === 1000 || (Number.isInteger(code) && code >= 3000 && code <= 4999)
}

/** New data, JSON or texts; what is held back of a text comes again with the next piece of it. */
function pieceOf(changed: JsonObject, piece: Chunk | Message): NewPiece {
  const { data, json, text, hold, texts } = changed
  if (Array.isArray(texts)) {
    return { texts: texts.map((one, index) => newText(one, piece.texts[index])) }
  }
  if (text !== undefined || hold !== undefined) {
    return given({ text: textOr(text) ?? piece.text ?? '', hold: textOr(hold) })
  }
  if (json !== undefined) return { json }
  return given({ data: textOr(data) })
}

type NewPiece = Pick<NewChunk, 'data' | 'json' | 'text' | 'hold' | 'texts'>

/** Null where it is what it was. */
function newText(one: Json, was: Text | undefined): NewText | null {
  const { text, hold } = (mapOr(one) ?? {}) as { text?: unknown; hold?: unknown }
  if (text === was?.text && hold === undefined) return null
  return { text: textOr(text) ?? '', ...given({ hold: textOr(hold) }) }
}

function given<T extends object>(fields: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return compact(fields) ?? {}
}

function denialOf(head: JsonObject): Denial | undefined {
  const { deny } = head as Head
  return deny === undefined ? undefined : { status: deny.status, message: deny.message }
}

/** A patch without what stays as it is; undefined where all does. */
function compact<T extends object>(
  patch: T,
): { [K in keyof T]?: Exclude<T[K], undefined> } | undefined {
  const entries = Object.entries(patch).filter(([, value]) => value !== undefined)
  return entries.length === 0
    ? undefined
    : (Object.fromEntries(entries) as { [K in keyof T]?: Exclude<T[K], undefined> })
}

/** RFC 9110 §15: three digits. What is below 200 is not an answer. */
function isStatus(status: unknown): boolean {
  return Number.isInteger(status) && (status as number) >= 200 && (status as number) <= 599
}

/** A path as the listener would accept it: nothing that a reader of the next hop might take for something else. */
function pathOf(path: unknown): string | undefined {
  if (path === undefined) return undefined
  const isGood =
    typeof path === 'string' &&
    /^\/[^\s?#\\\p{C}]*$/u.test(path) &&
    !/\/\/|\/\.{1,2}(?:\/|$)/.test(path)
  if (!isGood) throw failure(`${JSON.stringify(path)} is no path`)
  return path as string
}

function headersOf(
  headers: unknown,
  root: 'req' | 'res',
): Record<string, string | null> | undefined {
  const texts = textsOf(headers, `${root}.headers`)
  for (const [name, value] of Object.entries(texts ?? {})) {
    const problem = value === null ? undefined : headerProblem(name, value)
    if (problem !== undefined) throw failure(`${root}.headers[${JSON.stringify(name)}] ${problem}`)
  }
  return texts
}

/** A map of texts; numbers and booleans are written as text, null removes. */
function textsOf(map: unknown, place: string): Record<string, string | null> | undefined {
  if (map === undefined) return undefined
  const texts: Record<string, string | null> = {}
  for (const [name, value] of Object.entries(map as object)) {
    if (value === null) texts[name] = null
    else if (typeof value === 'object') throw failure(`${place}.${name} is not text`)
    else texts[name] = String(value)
  }
  return texts
}

function textOr(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}

function mapOr(value: unknown): JsonObject | undefined {
  return typeof value === 'object' && value !== null ? (value as JsonObject) : undefined
}

function failure(message: string): StepFailure {
  return new StepFailure('SCRIPT_FAILED', message)
}
