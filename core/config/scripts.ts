import { readFileSync, statSync } from 'node:fs'
import { glob } from 'node:fs/promises'
import path from 'node:path'
import { suggest } from '../kit/suggest.ts'
import { fingerprint } from './fingerprint.ts'
import type { Position } from './problems.ts'
import { fieldsNamed } from './script-names.ts'
import { placeIn, type Script, type ScriptUnit } from './script.ts'
import {
  isFault,
  readScript,
  type ScriptBody,
  type ScriptFault,
  type ScriptLanguage,
} from './script-source.ts'
import type { Origin } from './tree.ts'
import type { Fault } from './validate.ts'

/** Bytes of one script or library. */
const MAX_BYTES = 262_144
/** Libraries of one config. */
const MAX_LIBRARIES = 500

/** A library that scripts may import. */
interface Library {
  readonly file: string
  /** As messages name it. */
  readonly shown: string
  readonly body: ScriptBody
}

/** What came of a script option. */
export interface ReadOption {
  readonly script: Script | undefined
  readonly faults: readonly Fault[]
}

/** The scripts of one config: reads them and the libraries that they import, and remembers which files these are. */
export class Scripts {
  /** Absolute paths of all files that were read or looked for, and of the folders that libraries were looked for in. */
  readonly files = new Set<string>()
  readonly #folder: string
  readonly #named: string
  readonly #libraries = new Map<string, Library>()
  readonly #scripts = new WeakSet<object>()

  /** `folder` is where paths are seen from, `named` what it is called in messages. */
  constructor(folder: string, named = '.') {
    this.#folder = folder
    this.#named = named
  }

  /** Reads the libraries that a pattern stands for, sorted; undefined and no faults where they are all well. */
  async addLibraries(pattern: string): Promise<readonly Fault[]> {
    const names: string[] = []
    const wildcard = pattern.search(/[*?[{(]/)
    if (wildcard === -1) names.push(pattern)
    else {
      this.files.add(path.resolve(this.#folder, path.dirname(`${pattern.slice(0, wildcard)}_`)))
      for await (const name of glob(pattern, { cwd: this.#folder })) names.push(name)
    }
    if (names.length === 0) {
      const message = `${JSON.stringify(pattern)} matches no file`
      return [{ severity: 'warning', segments: [], side: 'value', message }]
    }
    return names.sort().flatMap((name) => this.#addLibrary(name))
  }

  #addLibrary(name: string): readonly Fault[] {
    const file = path.normalize(name)
    if (this.#libraries.has(nameOf(file))) return []
    if (this.#libraries.size === MAX_LIBRARIES) {
      return [faultAt(undefined, `more than ${MAX_LIBRARIES} files`)]
    }
    const text = this.#read(file)
    if (typeof text !== 'string') return [text]
    const body = readScript(text, 'library', languageOf(file))
    const shown = path.join(this.#named, file)
    if (isFault(body)) return [inFile(shown, body)]
    this.#libraries.set(nameOf(file), { file, shown, body })
    return []
  }

  /** Reads the script that stands in the config. */
  inline(text: string, origin: Origin | undefined): ReadOption {
    const place = origin?.block ?? origin?.value ?? { file: 'code', line: 1, column: 1 }
    const isExact = origin === undefined || origin.block !== undefined
    return this.#build(text, 'either', { place, isExact }, '.')
  }

  /** Reads the script that stands in a file of its own. */
  file(name: string): ReadOption {
    const file = path.normalize(name)
    const text = this.#read(file)
    if (typeof text !== 'string') return { script: undefined, faults: [text] }
    const place = { file: path.join(this.#named, file), line: 1, column: 1 }
    return this.#build(text, languageOf(file), { place, isExact: true }, path.dirname(file))
  }

  /** Digests of the scripts among checked options. */
  digestsIn(options: unknown): readonly string[] {
    if (typeof options !== 'object' || options === null) return []
    if (this.#scripts.has(options)) return [(options as Script).digest]
    return Object.values(options).flatMap((value) => this.digestsIn(value))
  }

  #build(
    text: string,
    language: ScriptLanguage,
    where: Pick<ScriptUnit, 'place' | 'isExact'>,
    folder: string,
  ): ReadOption {
    const body = readScript(text, 'program', language)
    const refuse = (fault: ScriptFault): ReadOption => {
      const { line, column, message, hint } = fault
      const position = placeIn(where as ScriptUnit, line, column)
      const inner = where.isExact ? '' : `line ${line}, column ${column} of the script: `
      return { script: undefined, faults: [faultAt(position, inner + message, hint)] }
    }
    if (isFault(body)) return refuse(body)
    const build = new Build(this.#libraries, refuse)
    try {
      build.add(body, where, folder)
    } catch (cause) {
      if (cause instanceof Refused) return cause.option
      throw cause
    }
    const { units } = build
    const texts = units.map(({ code }) => code)
    const script: Script = Object.freeze({
      units,
      digest: fingerprint([texts, units.map(({ imports }) => imports), where.place.file]),
      mentions: (word: string) => texts.some((one) => one.includes(word)),
      fieldsOf: (root: string) => fieldsNamed(texts, root),
    })
    this.#scripts.add(script)
    return { script, faults: [] }
  }

  #read(name: string): string | Fault {
    const file = path.resolve(this.#folder, name)
    this.files.add(file)
    try {
      const stats = statSync(file)
      if (!stats.isFile()) return faultAt(undefined, `cannot read ${name}: it is not a file`)
      if (stats.size > MAX_BYTES) {
        const [found, accepted] = [stats.size, MAX_BYTES].map((size) => size.toLocaleString('en'))
        return faultAt(
          undefined,
          `${name} has ${found} bytes, and at most ${accepted} are accepted`,
        )
      }
      return readFileSync(file, 'utf8')
    } catch (cause) {
      const { code = String(cause) } = cause as NodeJS.ErrnoException
      const reason = code === 'ENOENT' ? 'there is no such file (ENOENT)' : code
      return faultAt(undefined, `cannot read ${name}: ${reason}`)
    }
  }
}

/** Ends the building of a script whose import leads nowhere. */
class Refused extends Error {
  readonly option: ReadOption

  constructor(option: ReadOption) {
    super()
    this.option = option
  }
}

/** Puts a script's libraries before it, each once. */
class Build {
  readonly units: ScriptUnit[] = []
  readonly #libraries: ReadonlyMap<string, Library>
  readonly #refuse: (fault: ScriptFault) => ReadOption
  readonly #known = new Map<string, number | 'open'>()

  constructor(libraries: ReadonlyMap<string, Library>, refuse: (fault: ScriptFault) => ReadOption) {
    this.#libraries = libraries
    this.#refuse = refuse
  }

  /** Adds a text behind all that it imports; `folder` is where its relative imports are seen from. */
  add(body: ScriptBody, where: Pick<ScriptUnit, 'place' | 'isExact'>, folder: string): number {
    const imports = body.imports.map(({ from, binding, line, column }) => ({
      unit: this.#library(from, folder, (message, hint) => {
        const fault = { line, column, message, ...(hint === undefined ? {} : { hint }) }
        const option =
          body.exports === undefined
            ? this.#refuse(fault)
            : { script: undefined, faults: [inFile(where.place.file, fault)] }
        throw new Refused(option)
      }),
      binding,
    }))
    const { code, exports } = body
    return this.units.push({ code, imports, exports, ...where }) - 1
  }

  #library(
    from: string,
    folder: string,
    refuse: (message: string, hint?: string) => never,
  ): number {
    const name = nameOf(/^\.{1,2}\//.test(from) ? path.join(folder, from) : path.normalize(from))
    const library = this.#libraries.get(name)
    const known = this.#known.get(name)
    if (library === undefined) {
      const near = suggest(name, this.#libraries.keys())
      const list = [...this.#libraries.keys()].slice(0, 8).join(', ')
      refuse(
        `no library ${JSON.stringify(name)}`,
        near !== undefined
          ? `did you mean ${near}?`
          : list === ''
            ? 'scripts: ./lib/*.ts, at the top of the config, names the libraries'
            : `known: ${list}`,
      )
    }
    if (known === 'open') refuse(`the library ${name} imports itself`)
    if (known !== undefined) return known as number
    this.#known.set(name, 'open')
    const place = { file: library!.shown, line: 1, column: 1 }
    const unit = this.add(library!.body, { place, isExact: true }, path.dirname(library!.file))
    this.#known.set(name, unit)
    return unit
  }
}

/** `lib/cards` for `./lib/cards.ts`. */
function nameOf(file: string): string {
  return file.replace(/\.[cm]?[jt]s$/, '')
}

function languageOf(file: string): ScriptLanguage {
  return /\.[cm]?ts$/.test(file) ? 'typescript' : 'javascript'
}

function inFile(file: string, { line, column, message, hint }: ScriptFault): Fault {
  return faultAt({ file, line, column }, message, hint)
}

function faultAt(position: Position | undefined, message: string, hint?: string): Fault {
  const fault: Fault = { severity: 'error', segments: [], side: 'value', message }
  return {
    ...fault,
    ...(position === undefined ? {} : { position }),
    ...(hint === undefined ? {} : { hint }),
  }
}
