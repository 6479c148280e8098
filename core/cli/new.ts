import { readFile, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { Script } from 'node:vm'
import { RESERVED } from '../config/gateway-schema.ts'
import type { Plugin } from '../sdk.ts'
import { catalog } from './catalog.ts'
import { type Command, type Terminal, UsageError } from './command.ts'
import { checkoutFiles, registered } from './new/checkout.ts'
import { firstExisting, layOut } from './new/lay-out.ts'
import { packageFiles, packageName } from './new/package.ts'
import { generatedFiles, staleFiles, writeFiles } from './schema/generated.ts'

/** Lays out a new plugin that works and passes its own test. */
export const newPlugin: Command = {
  summary: 'Lays out a new plugin, with words, test and example.',
  usage: `usage: sluice new plugin NAME [--dir DIR]

  NAME    its key in YAML, in camel case: requestTag
  --dir   where to; default the working directory

In a checkout of Sluice it becomes one of the gateway's own: plugins/NAME, its test, its example and schema.
Anywhere else it becomes a package of its own, in a folder sluice-NAME.`,

  async run(args, terminal) {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: { dir: { type: 'string', default: '.' } },
    })
    const [what, name, ...rest] = positionals
    if (what !== 'plugin' || name === undefined || rest.length > 0) {
      throw new UsageError('takes the word plugin and a name')
    }
    checkName(name)
    const folder = resolve(terminal.cwd, values.dir)
    return (await isCheckout(folder))
      ? addToCheckout(folder, name, terminal)
      : makePackage(folder, name, terminal)
  },
}

/** Words that mean something else in a step, or in a script. */
const TAKEN: ReadonlySet<string> = new Set(
  ['use', 'plugin', 'constructor', 'prototype', 'toString', 'valueOf', 'hasOwnProperty'].concat(
    Object.keys(RESERVED),
  ),
)

/** Asks the language itself: the name is to be bound by an import, in strict code. */
function isBindable(name: string): boolean {
  try {
    // Parsed, and never run.
    return new Script(`'use strict'; async () => { const ${name} = 0 }`) instanceof Script
  } catch {
    return false
  }
}

function checkName(name: string): void {
  if (!/^[a-z][A-Za-z0-9]{1,39}$/.test(name)) {
    throw new UsageError(
      `expected a name in camel case such as requestTag, got ${JSON.stringify(name)}`,
    )
  }
  if (TAKEN.has(name) || !isBindable(name))
    throw new UsageError(`the name ${name} has a meaning already`)
  if (catalog.names.includes(name)) {
    throw new UsageError(`${name} is a plugin of the gateway's own already`)
  }
}

async function isCheckout(folder: string): Promise<boolean> {
  const manifest = await readFile(join(folder, 'package.json'), 'utf8').catch(() => '{}')
  const index = await readFile(indexOf(folder), 'utf8').catch(() => undefined)
  return index !== undefined && /"name":\s*"sluice"/.test(manifest)
}

function indexOf(folder: string): string {
  return join(folder, 'plugins/index.ts')
}

async function addToCheckout(folder: string, name: string, terminal: Terminal): Promise<number> {
  const files = checkoutFiles(name)
  if (await isRefused(folder, files, terminal)) return 1
  const index = registered(await readFile(indexOf(folder), 'utf8'), name)
  await layOut(folder, files)
  await writeFile(indexOf(folder), index)
  const generated = await generate(folder, name)
  const changed = [...files.map(({ path }) => path), 'plugins/index.ts', ...generated]
  for (const path of new Set(changed)) terminal.stdout(`wrote ${path}\n`)
  terminal.stdout(
    `\nnext: npx vitest run test/plugins/${name}.test.ts, and npm run schemas when its options change\n`,
  )
  return 0
}

/** Schema and tables, with the new plugin among the others. */
async function generate(folder: string, name: string): Promise<readonly string[]> {
  const url = pathToFileURL(join(folder, `plugins/${name}/${name}.ts`)).href
  const { default: plugin } = (await import(url)) as { default: Plugin }
  const known = await Promise.all(catalog.names.map((one) => catalog.load(one)))
  const plugins = [...known, plugin].sort((a, b) => (a.name < b.name ? -1 : 1))
  const stale = await staleFiles(folder, await generatedFiles(folder, plugins))
  await writeFiles(folder, stale)
  return stale.map(({ path }) => path)
}

async function makePackage(folder: string, name: string, terminal: Terminal): Promise<number> {
  const { default: own } = await import('../../package.json', { with: { type: 'json' } })
  const files = packageFiles(name, own.version)
  if (await isRefused(folder, files, terminal)) return 1
  await layOut(folder, files)
  for (const { path } of files) terminal.stdout(`wrote ${path}\n`)
  terminal.stdout(`\nnext: cd ${packageName(name)} && npm install && npm test\n`)
  return 0
}

async function isRefused(
  folder: string,
  files: Parameters<typeof layOut>[1],
  terminal: Terminal,
): Promise<boolean> {
  const existing = await firstExisting(folder, files)
  if (existing === undefined) return false
  terminal.stderr(`sluice new: ${existing} is there already\n  hint: choose another name\n`)
  return true
}
