import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { isMap, isScalar, isSeq, LineCounter, parseDocument } from 'yaml'
import type { Json, JsonObject } from '../kit/json.ts'
import { isObject } from '../kit/json.ts'
import type { Position, Problem } from './problems.ts'
import { Positions, type ConfigTree } from './tree.ts'

/** Where variables come from, and what file names are relative to. */
export interface ReadOptions {
  readonly env: Readonly<Record<string, string | undefined>>
  /** Default: the working directory. */
  readonly cwd?: string
}

/** Reads a config and all that it includes into one tree. Never throws: what is wrong is among the problems. */
export async function readConfig(file: string, options: ReadOptions): Promise<ConfigTree> {
  const absolute = path.resolve(options.cwd ?? process.cwd(), file)
  const text = await readFile(absolute, 'utf8')
  return {
    ...readText(text, file),
    watch: { files: [absolute], folders: [] },
    variables: new Set(),
  }
}

function readText(text: string, file: string) {
  const lines = new LineCounter()
  const positions = new Positions({ file, line: 1, column: 1 })
  const problems: Problem[] = []
  const at = (offset: number): Position => {
    const { line, col } = lines.linePos(offset)
    return { file, line, column: col }
  }
  const document = parseDocument(text, { lineCounter: lines, uniqueKeys: false })
  for (const error of document.errors) {
    problems.push({
      severity: 'error',
      position: at(error.pos[0]),
      path: '',
      message: error.message,
    })
  }
  const build = (node: unknown): Json => {
    if (isMap(node)) {
      const map: JsonObject = {}
      for (const pair of node.items) {
        if (!isScalar(pair.key)) continue
        const key = String(pair.key.value)
        map[key] = build(pair.value)
        const keyAt = at(pair.key.range?.[0] ?? 0)
        const range =
          isScalar(pair.value) || isMap(pair.value) || isSeq(pair.value)
            ? pair.value.range
            : undefined
        positions.set(map, key, { key: keyAt, value: range ? at(range[0]) : keyAt })
      }
      return map
    }
    if (isSeq(node)) {
      const list: Json[] = []
      for (const [index, item] of node.items.entries()) {
        list.push(build(item))
        const range = isScalar(item) || isMap(item) || isSeq(item) ? item.range : undefined
        const value = at(range?.[0] ?? 0)
        positions.set(list, index, { key: value, value })
      }
      return list
    }
    return isScalar(node) ? (node.value as Json) : null
  }
  const tree = build(document.contents)
  return { tree: isObject(tree) ? (tree as JsonObject) : {}, positions, problems }
}
