import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { Client } from './client.ts'

const SOURCE = readFileSync(new URL('./counters.lua', import.meta.url), 'utf8')
const DIGEST = createHash('sha1').update(SOURCE).digest('hex')

/** Tells a server the script, so that its digest stands for it. */
export async function loadScript(client: Client): Promise<void> {
  await client.sendCommand(['SCRIPT', 'LOAD', SOURCE])
}

/** The command that runs the script; `whole` where the server has forgotten it. */
export function scriptCommand(key: string, args: readonly string[], whole: boolean): string[] {
  return [...(whole ? ['EVAL', SOURCE] : ['EVALSHA', DIGEST]), '1', key, ...args]
}
