import { parseArgs } from 'node:util'
import { loadConfig } from '../config/load.ts'
import { formatProblem } from '../config/problems.ts'
import { type ChainReport, verifyJournal } from '../store/chain.ts'
import { openStore } from '../store/open.ts'
import type { Ledger } from '../store/store.ts'
import { catalog } from './catalog.ts'
import { type Command, type Terminal, UsageError } from './command.ts'

/** Rows that one read takes. */
const PAGE = 1_000

/** Reads the audit trail, and tells whether it is the one that was written. */
export const audit: Command = {
  summary: 'Shows the audit trail, or tells whether somebody has changed it.',
  usage: `usage: sluice audit verify [FILE] [--head SEQUENCE:HASH] [--journal NAME] [--json]
       sluice audit list [FILE] [--after SEQUENCE] [--limit N] [--journal NAME]

  verify      walks the chain of hashes: which rows were changed, and which are gone
  list        the rows, one line of JSON each, oldest first
  FILE        the config, whose store holds the trail; default ./gateway.yaml
  --head      an end of the chain that was noted before, as verify and the log print it: it must still be there
  --journal   another journal of the ledger; default audit
  --after     rows behind this one; default 0
  --limit     at most so many; default 100

Exit code 0: the chain is whole; 1: it is not, or cannot be read. The gateway may go on meanwhile.`,

  async run(args, terminal) {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        head: { type: 'string' },
        journal: { type: 'string', default: 'audit' },
        after: { type: 'string', default: '0' },
        limit: { type: 'string', default: '100' },
        json: { type: 'boolean', default: false },
      },
    })
    const [action, file = './gateway.yaml', ...more] = positionals
    if ((action !== 'verify' && action !== 'list') || more.length > 0) {
      throw new UsageError('takes verify or list, and one file')
    }
    const head = values.head === undefined ? undefined : parseHead(values.head)
    const after = wholeNumber('--after', values.after)
    const limit = wholeNumber('--limit', values.limit)
    return withLedger(file, terminal, async (ledger) => {
      if (action === 'list') return list(ledger, values.journal, after, limit, terminal)
      const report = await verifyJournal(ledger, values.journal, head)
      if (report.head.sequence === 0) {
        terminal.stderr(
          `sluice audit: the store has no journal ${JSON.stringify(values.journal)}\n`,
        )
        terminal.stderr(
          '  hint: logging: { audit: { enabled: true } } keeps one; paths are seen from here\n',
        )
        return 1
      }
      if (values.json) terminal.stdout(`${JSON.stringify(report, null, 2)}\n`)
      else print(report, terminal)
      return report.faults.length === 0 ? 0 : 1
    })
  },
}

async function withLedger(
  file: string,
  { env, cwd, stderr }: Terminal,
  act: (ledger: Ledger) => Promise<number>,
): Promise<number> {
  const { config, problems } = await loadConfig(file, {
    env,
    cwd,
    catalog,
    allowMissingSecrets: true,
  })
  if (config === undefined) {
    for (const problem of problems) stderr(`${formatProblem(problem)}\n`)
    return 1
  }
  const url = config.store.ledger ?? config.store.url
  if (!url.startsWith('sqlite:')) {
    stderr('sluice audit: the ledger ends with the gateway, so there is nothing to read\n')
    stderr(
      '  hint: store: sqlite:./data/sluice.db keeps an audit trail, and so does store: { url, ledger: sqlite:PATH }\n',
    )
    return 1
  }
  try {
    const store = await openStore(url, { now: Date.now })
    try {
      return await act(store.ledger)
    } finally {
      await store.close()
    }
  } catch (cause) {
    stderr(`sluice audit: ${(cause as Error).message}\n`)
    return 1
  }
}

async function list(
  ledger: Ledger,
  journal: string,
  after: number,
  limit: number,
  { stdout }: Terminal,
): Promise<number> {
  let left = limit
  for (let from = after; left > 0;) {
    const rows = await ledger.read(journal, { after: from, limit: Math.min(left, PAGE) })
    for (const { sequence, time, hash, row } of rows) {
      stdout(`${JSON.stringify({ sequence, time, ...row, hash })}\n`)
    }
    if (rows.length === 0) break
    left -= rows.length
    from = rows.at(-1)!.sequence
  }
  return 0
}

function print({ rows, head, faults }: ChainReport, { stdout, stderr }: Terminal): void {
  const words = {
    changed: 'is not the row that was written',
    missing: 'is missing',
    tail: 'and all behind it are missing',
  }
  for (const { sequence, kind } of faults) stderr(`row ${sequence} ${words[kind]}\n`)
  const first = head.anchor.sequence + 1
  const range = rows === 0 ? 'no rows' : `${rows} rows, ${first} to ${head.sequence}`
  if (faults.length > 0) stderr(`the chain is broken: ${range}\n`)
  else stdout(`the chain is whole: ${range}\nhead ${head.sequence}:${head.hash}\n`)
}

function parseHead(text: string): { sequence: number; hash: string } {
  const match = /^(\d{1,15}):([0-9a-f]{64})$/.exec(text)
  if (match === null)
    throw new UsageError(`--head takes SEQUENCE:HASH, got ${JSON.stringify(text)}`)
  return { sequence: Number(match[1]), hash: match[2]! }
}

function wholeNumber(option: string, text: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text)
  throw new UsageError(`${option} takes a whole number, got ${JSON.stringify(text)}`)
}
