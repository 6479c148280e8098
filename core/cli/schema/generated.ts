import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { gatewaySchema, pluginSchema } from '../../config/json-schema.ts'
import type { Plugin } from '../../sdk.ts'
import { optionsTable, pluginsTable } from './tables.ts'

/** A file of the repository that is made from code, in whole or in part; no content: it should not be there. */
export interface GeneratedFile {
  /** From the root of the repository. */
  readonly path: string
  readonly content: string | undefined
}

/** What the generated files of a checkout should hold. Rejects for a README without the marks of its generated part. */
export async function generatedFiles(
  root: string,
  plugins: readonly Plugin[],
): Promise<readonly GeneratedFile[]> {
  const files: GeneratedFile[] = [
    { path: 'schemas/gateway.schema.json', content: json(gatewaySchema(plugins)) },
  ]
  for (const plugin of plugins) {
    const { name } = plugin
    const readme = `plugins/${name}/README.md`
    files.push(
      { path: `schemas/plugins/${name}.schema.json`, content: json(pluginSchema(plugin)) },
      await withPart(root, readme, 'options', optionsTable(plugin)),
    )
  }
  files.push(await withPart(root, 'plugins/README.md', 'plugins', pluginsTable(plugins)))
  const known = new Set(files.map(({ path }) => path))
  for (const name of await readdir(join(root, 'schemas/plugins')).catch(() => [])) {
    const path = `schemas/plugins/${name}`
    if (!known.has(path)) files.push({ path, content: undefined })
  }
  return files
}

/** The files that are not as they should be. */
export async function staleFiles(
  root: string,
  files: readonly GeneratedFile[],
): Promise<readonly GeneratedFile[]> {
  const found = await Promise.all(
    files.map(async (file) => ({ file, text: await textOf(join(root, file.path)) })),
  )
  return found.flatMap(({ file, text }) => (text === file.content ? [] : [file]))
}

/** Brings them into the state in which they should be. */
export async function writeFiles(root: string, files: readonly GeneratedFile[]): Promise<void> {
  for (const { path, content } of files) {
    const file = join(root, path)
    if (content === undefined) await rm(file)
    else {
      await mkdir(dirname(file), { recursive: true })
      await writeFile(file, content)
    }
  }
}

/** A file with what stands between `<!-- name -->` and `<!-- /name -->` replaced. */
async function withPart(
  root: string,
  path: string,
  name: string,
  part: string,
): Promise<GeneratedFile> {
  const text = (await textOf(join(root, path))) ?? ''
  const [open, close] = [`<!-- ${name} -->`, `<!-- /${name} -->`]
  const start = text.indexOf(open)
  const end = text.indexOf(close)
  if (start === -1 || end < start) {
    throw new Error(`${path} has no lines ${open} and ${close}, between which a table would stand`)
  }
  const content = `${text.slice(0, start + open.length)}\n${part}\n${text.slice(end)}`
  return { path, content }
}

async function textOf(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8')
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw cause
  }
}

function json(schema: object): string {
  return `${JSON.stringify(schema, null, 2)}\n`
}
