import path from 'node:path'
import type { Document, Scalar } from 'yaml'
import { isObject, type Json, type JsonObject } from '../kit/json.ts'
import { buildTree, interpolatedScalars } from './build.ts'
import { FileError, readTextFile } from './files.ts'
import { findIncluded, mergeIncluded, type IncludedFile, type ReadFile } from './include.ts'
import { Interpolator, type Interpolated } from './interpolate.ts'
import type { Problem } from './problems.ts'
import { Source } from './source.ts'
import { parseYaml } from './syntax.ts'
import { kindOf, Positions, type ConfigTree } from './tree.ts'

/** What one file may hold. */
const MAX_FILE_BYTES = 1_048_576
/** What all files together may hold. */
const MAX_CHARACTERS = 8 * 1_048_576

/** Where variables come from, and what file names are relative to. */
export interface ReadOptions {
  readonly env: Readonly<Record<string, string | undefined>>
  /** Default: the working directory. */
  readonly cwd?: string
  /** Stands in for what the main file holds, such as a config that is not saved yet. */
  readonly text?: string
  /**
   * A secret that is not there is a warning: for commands that look at a config on a machine without keys. All else that
   * is missing stays an error.
   */
  readonly allowMissingSecrets?: boolean
}

/**
 * Reads a config and all that it includes into one tree. Never throws for what an operator wrote: all that is wrong,
 * in all files at once, is among the problems.
 */
export async function readConfig(file: string, options: ReadOptions): Promise<ConfigTree> {
  const reader = new Reader(file, options)
  await reader.run()
  return reader.result()
}

class Reader {
  readonly #name: string
  readonly #path: string
  readonly #text: string | undefined
  readonly #positions: Positions
  readonly #interpolator: Interpolator
  readonly #sources: Source[] = []
  readonly #files = new Set<string>()
  #folders: readonly string[] = []
  #unreadable: Problem | undefined
  #tree: JsonObject = {}
  #isComplete = true
  #characters = 0

  constructor(file: string, { env, cwd, text, allowMissingSecrets }: ReadOptions) {
    this.#name = file
    this.#path = path.resolve(cwd ?? process.cwd(), file)
    this.#text = text
    this.#positions = new Positions({ file, line: 1, column: 1 })
    this.#interpolator = new Interpolator(env, allowMissingSecrets)
  }

  async run(): Promise<void> {
    const main = await this.#readMain()
    if (!main) return
    this.#tree = main.tree
    const { files, folders } = await findIncluded(main, this.#positions)
    this.#folders = folders
    for (const file of files) {
      const part = await this.#readIncluded(file, main)
      if (part) mergeIncluded(main, part, this.#positions)
    }
  }

  result(): ConfigTree {
    const problems = this.#sources.flatMap((source) => source.problems())
    return {
      tree: this.#tree,
      positions: this.#positions,
      problems: this.#unreadable ? [this.#unreadable] : problems,
      isComplete: this.#isComplete,
      sources: this.#sources.map(({ name }) => name),
      watch: {
        files: [...new Set([...this.#files, ...this.#interpolator.files])],
        folders: this.#folders,
      },
    }
  }

  async #readMain(): Promise<ReadFile | undefined> {
    try {
      return await this.#readFile(this.#name, this.#path, this.#text)
    } catch (error) {
      if (!(error instanceof FileError)) throw error
      this.#isComplete = false
      const position = this.#positions.root
      const message = `cannot read the config: ${error.message}`
      this.#unreadable = { severity: 'error', position, path: '', message }
      return undefined
    }
  }

  async #readIncluded(file: IncludedFile, main: ReadFile): Promise<ReadFile | undefined> {
    const { name, index, isGlob } = file
    try {
      return await this.#readFile(name, file.path)
    } catch (error) {
      if (!(error instanceof FileError)) throw error
      // A pattern means files, also where a folder's name fits it.
      if (isGlob && error.code === 'EISDIR') {
        this.#files.delete(file.path)
        return undefined
      }
      this.#isComplete = false
      const segments = ['include', index]
      const place = this.#positions.locate(main.tree, segments)
      main.source.error(place, segments, `cannot read ${name}: ${error.message}`)
      return undefined
    }
  }

  /** Undefined for a file that cannot be parsed; throws a FileError for one that cannot be read. */
  async #readFile(name: string, file: string, given?: string): Promise<ReadFile | undefined> {
    this.#files.add(file)
    const { text, isWorldWritable } =
      given === undefined
        ? await readTextFile(file, MAX_FILE_BYTES)
        : { text: checkSize(given), isWorldWritable: false }
    this.#characters += text.length
    if (this.#characters > MAX_CHARACTERS) {
      const accepted = MAX_CHARACTERS.toLocaleString('en')
      throw new FileError(`all files together have more than ${accepted} characters`)
    }
    const source = new Source(name, file, text)
    this.#sources.push(source)
    if (isWorldWritable) {
      source.warn(0, [], 'anybody on this machine may change this file', `chmod o-w ${name}`)
    }
    const document = parseYaml(source)
    if (!document) {
      this.#isComplete = false
      return undefined
    }
    const filled = await this.#fill(document, path.dirname(file))
    return this.#asMap(buildTree(document, filled, source, this.#positions), source)
  }

  async #fill(
    document: Document.Parsed,
    folder: string,
  ): Promise<ReadonlyMap<Scalar, Interpolated>> {
    const filled = new Map<Scalar, Interpolated>()
    for (const node of interpolatedScalars(document)) {
      const isPlain = node.type === 'PLAIN' && node.tag === undefined
      filled.set(node, await this.#interpolator.fill(node.value, folder, isPlain))
    }
    return filled
  }

  #asMap(tree: Json, source: Source): ReadFile {
    if (isObject(tree)) return { source, tree }
    if (tree !== null) {
      this.#isComplete = false
      source.error(0, [], `expected a map of settings, got ${kindOf(tree)}`)
    } else if (source.path === this.#path) {
      this.#isComplete = false
      source.error(0, [], 'the config is empty', 'begin with upstreams and routes')
    } else source.warn(0, [], 'the file is empty')
    return { source, tree: {} }
  }
}

/** A given text has the limit of a file, though it is counted in characters. */
function checkSize(text: string): string {
  if (text.length <= MAX_FILE_BYTES) return text
  const [found, accepted] = [text.length, MAX_FILE_BYTES].map((size) => size.toLocaleString('en'))
  throw new FileError(`it has ${found} characters, and at most ${accepted} are accepted`)
}
