import type { Hostile } from './hostile.ts'

/** What hostile scripts get, to be quick about it. */
export const MEMORY = { memoryBytes: 16 * 1024 ** 2 }

/** What a call came to, in the words of the table, and what is said of it. */
export async function outcomeOf(run: () => string | Promise<string>): Promise<[string, string]> {
  try {
    const text = await run()
    const { failed } = JSON.parse(text.split('\n')[0] || '{}') as { failed?: { message: string } }
    return failed === undefined ? ['ok', text] : ['failed', failed.message]
  } catch (cause) {
    const { kind, message } = cause as { kind: string; message: string }
    return [kind === 'broken' ? 'failed' : kind === 'starved' ? 'timeout' : kind, message]
  }
}

/** How a hostile script may end. A machine that is busy meets the clock before it meets another limit. */
export function endsOf({ ends, isHeavy = false }: Hostile): string[] {
  if (ends === 'memory' || ends === 'killed') return ['memory', 'timeout']
  return isHeavy ? [ends, 'timeout'] : [ends]
}
