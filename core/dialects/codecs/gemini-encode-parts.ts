import type { JsonObject } from '../../kit/json.ts'
import type { Crossing } from '../hub/codec.ts'
import {
  nativeFields,
  nativeForm,
  toolNames,
  type DocumentPart,
  type HubMessage,
  type MediaSource,
  type Part,
  type Proof,
  type ReasoningPart,
  type ToolCallPart,
  type ToolResultPart,
} from '../hub/conversation.ts'
import { json } from '../hub/fields.ts'
import { isProofFor } from '../hub/proof.ts'
import { argumentsObject } from '../hub/tool-arguments.ts'
import type { Turn } from '../hub/turns.ts'
import type { Concept } from '../hub/verdicts.ts'
import { callPart, isVideo, NO_BODY, NO_ID, NO_SIGNATURE, responseOf } from './gemini-parts.ts'
import { FUNCTION_NAME } from './gemini-tools.ts'
import { judgeNative } from './openai-responses-encode-items.ts'

const DIALECT = 'gemini'

/** Writes the contents of a request; knows the names of all calls. */
export class ContentWriter {
  readonly #crossing: Crossing
  readonly #names: ReadonlyMap<string, string>
  /** Whose turn is being written. */
  #role: Turn['role'] = 'system'

  constructor(crossing: Crossing) {
    this.#crossing = crossing
    this.#names = toolNames(crossing.request.messages)
  }

  /** A content of this dialect, as it came. */
  own({ role, parts, native, path }: HubMessage): JsonObject {
    const form = nativeForm(native, DIALECT) ?? (role === 'assistant' ? 'model' : 'user')
    const written = parts.flatMap((part) => this.#part(part, path))
    const spoken = form === '' ? {} : { role: form }
    const said = written.length === 0 ? {} : { parts: written }
    return { ...spoken, ...said, ...nativeFields(native, DIALECT) }
  }

  /** The content of a turn of another dialect. */
  turn({ role, parts, path }: Turn): JsonObject {
    this.#role = role
    return {
      role: role === 'assistant' ? 'model' : 'user',
      parts: role === 'assistant' ? this.#signed(parts, path) : this.parts(parts, path),
    }
  }

  /** The parts of a system prompt or a user's turn. */
  parts(parts: readonly Part[], path: string): JsonObject[] {
    return parts.flatMap((part) => this.#part(part, path))
  }

  /**
   * A model's turn. A thought of Google's that says nothing is the signature of what comes behind it: of a call, or
   * of the text before, which then ends in an empty part.
   */
  #signed(parts: readonly Part[], path: string): JsonObject[] {
    const written: JsonObject[] = []
    let signature: string | undefined
    let needsOne = this.#crossing.capabilities.thinking === 'level'
    for (const part of parts) {
      if (part.type === 'reasoning') {
        signature = this.#signature(part, path) ?? signature
      } else if (part.type === 'toolCall') {
        const own = part.proof === undefined ? undefined : this.#signature(part, path)
        // The first call of a turn is the one that must be signed.
        const signed = own ?? signature ?? (needsOne ? NO_SIGNATURE : undefined)
        written.push(...this.#call(part, path, signed))
        signature = undefined
        needsOne = false
      } else written.push(...this.#part(part, path))
    }
    if (signature !== undefined) written.push({ text: '', thoughtSignature: signature })
    return written
  }

  /** Google's signature; proofs of others are left out, and reported. */
  #signature({ proof }: ReasoningPart | ToolCallPart, path: string): string | undefined {
    const { capabilities, report } = this.#crossing
    if (proof !== undefined && isProofFor(proof, 'google', capabilities.family)) return proof.data
    report.note('dropped', path, 'reasoning without a proof of the target’s own is not believed')
    return undefined
  }

  #part(part: Part, path: string): JsonObject[] {
    const { report, request } = this.#crossing
    const isOwn = request.source === DIALECT
    const own = nativeFields('native' in part ? part.native : undefined, DIALECT)
    this.#judgeMarks(part, path)
    switch (part.type) {
      case 'text':
        return [{ text: part.text, ...own }]
      case 'refusal':
        report.judge('refusal', path)
        return [{ text: part.text }]
      case 'reasoning':
        return isOwn ? this.#ownThought(part, path, own) : []
      case 'toolCall':
        return this.#call(part, path, this.#ownSignature(part.proof))
      case 'toolResult':
        return this.#result(part, path)
      case 'image':
        return this.#media(part.source, 'imageUrl', path, own)
      case 'document':
        return this.#document(part, path, own)
      case 'audio':
      case 'video':
        return this.#media(part.source, 'documentUrl', path, own)
      case 'native':
        if (part.dialect === DIALECT) return [part.value as JsonObject]
        judgeNative(part, { role: this.#role, path }, report)
        return []
      default:
        return []
    }
  }

  /** A thought of this dialect, as it came; those of another provider's model are not believed. */
  #ownThought({ text, proof }: ReasoningPart, path: string, own: JsonObject): JsonObject[] {
    if (proof !== undefined && proof.provider !== 'google') {
      this.#crossing.report.note('dropped', path, 'the thoughts of another provider’s model')
      return []
    }
    return [json({ text, thought: true, thoughtSignature: proof?.data, ...own })]
  }

  /** The signature of a call of this dialect; Google's word for none in the place of another provider's. */
  #ownSignature(proof: Proof | undefined): string | undefined {
    return proof === undefined || proof.provider === 'google' ? proof?.data : NO_SIGNATURE
  }

  #judgeMarks(part: Part, path: string): void {
    const { report, request } = this.#crossing
    if (request.source === DIALECT) return
    if (part.cache !== undefined) report.judge('cacheMarker', path)
    if (part.type === 'text' && part.citations !== undefined) report.judge('citation', path)
    if (part.type === 'image' && part.detail !== undefined && part.detail !== 'auto') {
      report.judge('imageDetail', path)
    }
  }

  #call(part: ToolCallPart, path: string, signature: string | undefined): JsonObject[] {
    const { names, report, request } = this.#crossing
    const isOwn = request.source === DIALECT
    const args = argumentsObject(part)
    if (args === undefined) {
      report.note('refused', path, `the arguments of the call of ${part.name} are no JSON object`)
      return []
    }
    const form = nativeForm(part.native, DIALECT) ?? ''
    const id = form.includes(NO_ID) ? undefined : part.id
    const written = form.includes(NO_BODY) ? undefined : args
    const name = isOwn ? part.name : names.encodeTool(part.name, FUNCTION_NAME)
    return [
      {
        ...callPart(id, name, written, signature),
        ...nativeFields(part.native, DIALECT),
      },
    ]
  }

  #result(part: ToolResultPart, path: string): JsonObject[] {
    const { names, report, request, capabilities } = this.#crossing
    const isOwn = request.source === DIALECT
    const form = nativeForm(part.native, DIALECT) ?? ''
    const known = part.name ?? this.#names.get(part.callId) ?? 'unknown_tool'
    const media = isOwn ? [] : this.parts(part.parts.filter(isMedia), path)
    const isNested = capabilities.toolResultMedia && capabilities.thinking === 'level'
    if (media.length > 0 && !isNested) {
      report.note('emulated', path, 'media of a tool’s result stand behind it')
    }
    const response = {
      functionResponse: json({
        id: form.includes(NO_ID) ? undefined : part.callId,
        name: isOwn ? known : names.encodeTool(known, FUNCTION_NAME),
        response: form.includes(NO_BODY) ? undefined : (part.output ?? responseOf(part)),
        parts: media.length > 0 && isNested ? media : undefined,
      }),
      ...nativeFields(part.native, DIALECT),
    }
    return isNested ? [response] : [response, ...media]
  }

  #document(part: DocumentPart, path: string, own: JsonObject): JsonObject[] {
    const { report } = this.#crossing
    const { source, title, context } = part
    if (title !== undefined || context !== undefined) report.judge('documentNote', path)
    if (source.kind !== 'text') return this.#media(source, 'documentUrl', path, own)
    report.note('emulated', path, 'a plain text document is told as text')
    return [{ text: source.text }]
  }

  /** Gemini takes bytes, files that Google holds, and films of YouTube; it does not fetch from the web. */
  #media(source: MediaSource, concept: Concept, path: string, own: JsonObject): JsonObject[] {
    const { report, request } = this.#crossing
    const isOwn = request.source === DIALECT
    const { mediaType } = source
    switch (source.kind) {
      case 'data':
        return [
          {
            inlineData: json({
              mimeType: mediaType === '' ? (isOwn ? undefined : FALLBACK[concept]) : mediaType,
              data: source.data,
            }),
            ...own,
          },
        ]
      case 'url':
        if (!isOwn && !isVideo(source.url) && !source.url.startsWith('gs://')) {
          report.judge(concept, path)
          return []
        }
        return [{ fileData: json({ mimeType: mediaType, fileUri: source.url }), ...own }]
      default:
        if (!isOwn) {
          report.judge('fileId', path)
          return []
        }
        return [{ fileData: json({ mimeType: mediaType, fileUri: source.id }), ...own }]
    }
  }
}

/** The type of bytes whose source did not say it. */
const FALLBACK: Partial<Readonly<Record<Concept, string>>> = {
  imageUrl: 'image/png',
  documentUrl: 'application/pdf',
}

function isMedia({ type }: Part): boolean {
  return type === 'image' || type === 'document' || type === 'audio' || type === 'video'
}
