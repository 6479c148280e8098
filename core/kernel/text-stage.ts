import { type Place, type TextFormat, writeAt } from '../dialects/texts/text-format.ts'
import { sequenceOf } from '../dialects/texts/openai-responses.ts'
import type { NewChunk, NewText, Text } from '../exchange.ts'
import type { Json, JsonObject } from '../kit/json.ts'

/** A chunk or message, as far as its texts are concerned. */
export interface Carrier {
  readonly event: string
  readonly data: string
  readonly json: Json | undefined
  readonly isWhole: boolean
  readonly isBinary?: boolean
  /** The block that ends with it, though its JSON does not say so: it holds what was held back. */
  readonly last?: string | undefined
}

/** What a step is shown. */
export interface Shown {
  readonly places: readonly Place[]
  readonly texts: readonly Text[]
}

/** What takes the place of a carrier: JSON or text, under a name. */
export interface Written {
  readonly event: string
  readonly json?: Json
  readonly data?: string
  /** The block that ends with it, though its JSON does not say so. */
  readonly last?: string
}

/** What a hook made, with the texts that stand in the places of those it was shown, where it gave any. */
type Made = Omit<NewChunk, 'text' | 'hold' | 'texts'> & {
  readonly texts: readonly NewText[] | undefined
}

/** What is known of a text that comes in pieces. */
interface Block {
  readonly id: Pick<Place, 'block' | 'choice' | 'kind'>
  held: string
  /** Where the last piece stood. */
  event: string
  json: Json | undefined
  place: Place
  before: string
  /** All that came, and all that went on: for the events that repeat it. */
  came: string
  went: string
}

/** Characters of texts that are remembered for the events that repeat them. */
const MAX_REMEMBERED = 16 * 1024 * 1024

/** Open blocks that are remembered. */
const MAX_BLOCKS = 1_024

/**
 * The texts of one stream, or of one direction of a session, as one step sees and changes them: what it holds back is
 * put before the next piece, and comes at the latest where the text ends; events that repeat a text say what the step
 * has made of it. Costs nothing until the step looks at a text.
 */
export class TextStage {
  readonly #format: TextFormat
  #blocks: Map<string, Block> | undefined
  #holding = 0
  #remembered = 0
  /** Events that were put in, where events are numbered. */
  #inserted = 0
  #lastNumber = 0

  constructor(format: TextFormat) {
    this.#format = format
  }

  /** True once the step has looked at a text. */
  get isUsed(): boolean {
    return this.#blocks !== undefined
  }

  get isHolding(): boolean {
    return this.#holding > 0
  }

  /** What of a carrier the step is to see. */
  shown(carrier: Carrier): Shown {
    const blocks = (this.#blocks ??= new Map<string, Block>())
    const json = treeOf(carrier)
    const all = this.#places(carrier)
    const places = all.filter((place) => !this.#isKnown(place))
    const texts = places.map((place): Text => {
      const { block, kind, choice, text } = place
      const known = blocks.get(block)
      const isPiece = place.form === 'piece'
      return {
        text: isPiece && known !== undefined ? known.held + text : text,
        kind,
        choice,
        before: isPiece && known !== undefined ? known.before : '',
        isLast:
          !isPiece ||
          block === carrier.last ||
          (json !== undefined && this.#format.ends(json, place, all)),
      }
    })
    return { places, texts }
  }

  /**
   * What the step is to be shown before a carrier: what is held back of the texts that end here. Empty where there is
   * nothing; else the carrier is to be prepared again afterwards.
   */
  before(carrier: Carrier): readonly Written[] {
    const json = treeOf(carrier)
    if (this.#holding === 0 || json === undefined) return NONE
    const places = this.#places(carrier)
    const ending = [...this.#blocks!.values()].filter(
      ({ held, id }) =>
        held !== '' &&
        !places.some(({ block, form }) => block === id.block && form === 'piece') &&
        this.#format.ends(json, id, places),
    )
    return ending.map((block) => this.#rest(block))
  }

  /** The carrier with what it repeats, and its number, put right; undefined where they are. */
  righted(carrier: Carrier): Written | undefined {
    const json = treeOf(carrier)
    if (this.#blocks === undefined || !this.#format.repeats || json === undefined) return undefined
    let right = json
    for (const place of this.#places(carrier)) {
      if (!this.#isKnown(place)) continue
      const { went } = this.#blocks.get(place.block)!
      if (went !== place.text) right = this.#write(right, place, went)
    }
    const number = this.#inserted === 0 ? undefined : sequenceOf(json)
    if (number !== undefined) {
      right = { ...(right as JsonObject), sequence_number: number + this.#inserted }
    }
    return right === json ? undefined : { event: carrier.event, json: right }
  }

  /** All that is still held back, to be shown to the step a last time. */
  finish(): readonly Written[] {
    if (this.#holding === 0) return NONE
    return [...this.#blocks!.values()]
      .filter(({ held }) => held !== '')
      .map((block) => this.#rest(block))
  }

  /** Gives up what is held back: the stream has failed. */
  drop(): void {
    for (const block of this.#blocks?.values() ?? []) block.held = ''
    this.#holding = 0
  }

  /** True where it matters that a step has let a carrier pass. */
  get isWatching(): boolean {
    return this.#blocks !== undefined && (this.#holding > 0 || this.#format.repeats)
  }

  /** What goes on where the step has let a carrier pass; undefined where that is the carrier itself. */
  passed(carrier: Carrier, shown: Shown): Written | undefined {
    return this.#settle(carrier, shown, [{ texts: shown.texts }])[0]
  }

  /** What goes on in the place of a carrier. Throws a RangeError where a text is given that has no place. */
  replaced(
    carrier: Carrier,
    shown: Shown,
    made: readonly NewChunk[],
  ): readonly (Written | undefined)[] {
    return this.#settle(
      carrier,
      shown,
      made.map((one) => ({ ...one, texts: newTexts(one, shown) })),
    )
  }

  #settle(
    carrier: Carrier,
    { places, texts }: Shown,
    made: readonly Made[],
  ): (Written | undefined)[] {
    const json = treeOf(carrier)
    this.#lastNumber = sequenceOf(json) ?? this.#lastNumber
    const went = new Map<string, string>()
    const held = new Map<string, string>()
    const all = made.map((one) => {
      if (one.texts === undefined) {
        this.#countOwn(one, went)
        return written(one, carrier.event)
      }
      let right = one.json ?? json
      let data: string | undefined
      for (const [index, { text, hold = '' }] of one.texts.entries()) {
        const place = places[index]!
        const { isLast } = texts[index]!
        const sent = isLast ? text + hold : text
        if (!isLast) held.set(place.block, hold)
        went.set(place.block, (went.get(place.block) ?? '') + sent)
        if (sent === place.text) continue
        if (right === undefined) data = sent
        else right = this.#write(right, place, sent)
      }
      const event = one.event ?? carrier.event
      if (data !== undefined) return { event, data }
      return right === json && event === carrier.event ? undefined : { event, json: right! }
    })
    for (const [index, place] of places.entries()) {
      this.#remember(
        carrier,
        place,
        texts[index]!,
        held.get(place.block) ?? '',
        went.get(place.block) ?? '',
      )
    }
    return all
  }

  /** Notes what has come of a text, what went on, and what is held back. */
  #remember(carrier: Carrier, place: Place, shown: Text, hold: string, went: string): void {
    if (place.form !== 'piece' && !this.#format.repeats) return
    const { block: id, choice, kind } = place
    const json = treeOf(carrier)
    let block = this.#blocks!.get(id)
    if (block === undefined) {
      if (this.#blocks!.size >= MAX_BLOCKS) this.#forgetOldest()
      block = {
        id: { block: id, choice, kind },
        held: '',
        event: '',
        json: undefined,
        place,
        before: '',
        came: '',
        went: '',
      }
      this.#blocks!.set(id, block)
    }
    this.#hold(block, hold)
    if (place.form === 'piece') {
      block.event = carrier.event
      block.json = json
      block.place = place
      const gone = shown.text.endsWith(hold)
        ? shown.text.slice(0, shown.text.length - hold.length)
        : shown.text
      block.before = lastCharacter(gone) || block.before
    }
    if (!this.#format.repeats) return
    const isWhole = place.form !== 'piece'
    // What was held back has come before.
    if (carrier.last === undefined) block.came = isWhole ? place.text : block.came + place.text
    block.went = isWhole ? went : block.went + went
    this.#remembered += place.text.length + went.length
    if (this.#remembered > MAX_REMEMBERED) this.#forgetRepeats()
  }

  #hold(block: Block, hold: string): void {
    this.#holding += Number(hold !== '') - Number(block.held !== '')
    block.held = hold
  }

  /** What a hook wrote by itself counts for what the blocks have become. */
  #countOwn(made: Pick<NewChunk, 'json'>, went: Map<string, string>): void {
    if (!this.#format.repeats || made.json === undefined) return
    for (const place of this.#format.places(made.json, false)) {
      if (place.form === 'piece') went.set(place.block, (went.get(place.block) ?? '') + place.text)
    }
  }

  /** Later events that repeat these are shown as texts of their own. */
  #forgetRepeats(): void {
    this.#remembered = 0
    for (const block of this.#blocks!.values()) {
      block.came = ''
      block.went = ''
    }
  }

  #forgetOldest(): void {
    for (const [id, block] of this.#blocks!) {
      if (block.held !== '') continue
      this.#blocks!.delete(id)
      return
    }
    throw new RangeError(`more than ${MAX_BLOCKS} texts of one stream are held back`)
  }

  /** A further piece of a block, in which the step is shown a last time what it holds back. */
  #rest(block: Block): Written {
    const { event, json, place, id, held } = block
    this.#hold(block, '')
    if (json === undefined) return { event, data: held, last: id.block }
    const piece = this.#format.piece(json as JsonObject, place, held)
    if (sequenceOf(piece) === undefined) return { event, json: piece, last: id.block }
    this.#inserted++
    return { event, json: { ...piece, sequence_number: ++this.#lastNumber }, last: id.block }
  }

  /** True for a place that repeats, word for word, what came in pieces, or by now what went on of it. */
  #isKnown({ form, block, text }: Place): boolean {
    const known = form === 'repeat' ? this.#blocks!.get(block) : undefined
    return known !== undefined && (known.came === text || known.went === text)
  }

  #places(carrier: Carrier): readonly Place[] {
    const { data, isWhole } = carrier
    const json = treeOf(carrier)
    if (json !== undefined) return this.#format.places(json, isWhole)
    if (data === '' || data === '[DONE]' || carrier.isBinary === true) return []
    const form = isWhole ? 'whole' : 'piece'
    return [{ kind: 'text', choice: 0, block: '', form, text: data, paths: [[]] }]
  }

  #write(json: Json, place: Place, text: string): Json {
    return this.#format.forget(writeAt(json, place, text), place)
  }
}

/** A chunk that a hook has written by itself. */
export function written(
  { event, json, data }: Pick<NewChunk, 'event' | 'json' | 'data'>,
  otherwise: string,
): Written {
  const name = event ?? otherwise
  return data === undefined ? { event: name, json: json ?? null } : { event: name, data }
}

/** JSON that holds something; a lone number or text, as a stream of plain text may well have, counts as text. */
function treeOf({ json }: Carrier): Json | undefined {
  return typeof json === 'object' && json !== null ? json : undefined
}

const NONE: readonly never[] = []

/** The texts of a chunk that a hook made; undefined where it wrote the chunk by itself. */
function newTexts(made: NewChunk, { texts }: Shown): readonly NewText[] | undefined {
  const { text, hold = '', texts: list } = made
  if (list !== undefined) {
    if (list.length > texts.length) {
      throw new RangeError(`${list.length} texts were given for a chunk that has ${texts.length}`)
    }
    return texts.map((one, index) => {
      const given = list[index]
      if (typeof given === 'string') return { text: given }
      return given ?? { text: one.text }
    })
  }
  if (text === undefined) return undefined
  const said = [...texts.entries()].filter(([, one]) => isSaid(one))
  const [first] = said
  if (first === undefined) throw new RangeError('a text was given for a chunk that has none')
  if (said.some(([, { choice }]) => choice !== first[1].choice)) {
    throw new RangeError(
      'one text was given for a chunk of several choices; give texts, one for each',
    )
  }
  const holder = said.at(-1)![0]
  return texts.map((one, index) => {
    if (!isSaid(one)) return { text: one.text }
    return { text: index === first[0] ? text : '', hold: index === holder ? hold : '' }
  })
}

/** What is said in a chunk: its texts without thoughts, arguments and the like. */
export function saidIn(texts: readonly Text[]): string | undefined {
  const said = texts.filter(isSaid)
  return said.length === 0 ? undefined : said.map(({ text }) => text).join('')
}

function isSaid({ kind }: Text): boolean {
  return kind === 'text' || kind === 'refusal'
}

/** A character may be two code units. */
function lastCharacter(text: string): string {
  return /.$/su.exec(text)?.[0] ?? ''
}
