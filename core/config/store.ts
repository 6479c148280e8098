import { isObject } from '../kit/json.ts'
import { Secret } from '../kit/secret.ts'
import type { StoreSource } from '../store/open.ts'
import { isRedisUrl, maskRedisUrl, parseRedisUrl } from '../store/redis/location.ts'
import { parseLocation } from '../store/sqlite/location.ts'
import type { StoreConfig } from './model.ts'
import type { ProblemList } from './problem-list.ts'
import type { Infer } from './schema.ts'
import type { STORE } from './store-schema.ts'
import type { ConfigTree, Segments } from './tree.ts'
import { SECRET_HINT, SECRET_WRITTEN, shown } from './wording.ts'

type Options = Infer<typeof STORE>

/** Checks what the schema cannot say of the store. Opens nothing. */
export function buildStore(
  options: Options,
  source: ConfigTree,
  problems: ProblemList,
): StoreConfig {
  const isMap = typeof options !== 'string'
  const { url, ledger, password, sentinelPassword } = isMap ? options : { url: options }
  const at = isMap ? ['store', 'url'] : ['store']
  checkUrl(url, at, problems)
  checkLiteral(url, at, source, problems)
  if (ledger !== undefined) checkLedger(ledger, problems)
  if (isRedisUrl(url)) {
    if (ledger === undefined) warnOfLedger(url, problems)
  } else {
    for (const option of ['password', 'sentinelPassword'] as const) {
      if (!isMap || options[option] === undefined) continue
      const message = `${option} is only for redis://, and this store is none`
      problems.add(['store', option], { message, side: 'key' })
    }
  }
  const { shown: bare, secret } = splitPassword(url)
  return {
    url: bare,
    ledger,
    password: password ?? (secret === undefined ? undefined : new Secret(secret)),
    sentinelPassword,
  }
}

/** What the store is opened with. */
export function sourceOf({ url, ledger, password, sentinelPassword }: StoreConfig): StoreSource {
  return {
    url,
    ledger,
    password: password?.reveal(),
    sentinelPassword: sentinelPassword?.reveal(),
  }
}

/** The URL without its password, and that password, as nobody needs to encode it. */
function splitPassword(url: string): { shown: string; secret: string | undefined } {
  if (!isRedisUrl(url)) return { shown: url, secret: undefined }
  try {
    const { password } = parseRedisUrl(url)
    return { shown: url.replace(/^([^:]+:\/\/[^:@]*):.*@/s, '$1@'), secret: password }
  } catch {
    // It has been told of, and the config is not handed out.
    return { shown: '', secret: undefined }
  }
}

/** The store as it may be shown. */
export function printStore(printed: unknown): unknown {
  if (typeof printed === 'string') return maskRedisUrl(printed)
  if (!isObject(printed as never)) return printed
  const { url, ...rest } = printed as { url: string }
  return { url: maskRedisUrl(url), ...rest }
}

function checkUrl(url: string, at: Segments, problems: ProblemList): void {
  if (url === 'memory:') return
  if (isRedisUrl(url)) readable(() => parseRedisUrl(url), at, problems)
  else if (url.startsWith('sqlite:')) readable(() => parseLocation(url), at, problems)
  else {
    const message = `expected memory:, sqlite:PATH or redis://HOST, got ${kindOf(url)}`
    problems.add(at, { message, hint: 'sqlite:./data/sluice.db outlives a restart' })
  }
}

function checkLedger(url: string, problems: ProblemList): void {
  const at = ['store', 'ledger']
  if (url.startsWith('sqlite:')) readable(() => parseLocation(url), at, problems)
  else if (url !== 'memory:') {
    const message = `a ledger is kept in sqlite:PATH or memory:, got ${kindOf(url)}`
    problems.add(at, { message, hint: 'sqlite:./data/ledger.db outlives a restart' })
  }
}

/** Only the scheme is shown: what follows may hold a password. */
function kindOf(url: string): string {
  const scheme = /^[\w+-]*:/.exec(url)?.[0]
  return scheme === undefined ? shown(url) : `a store of the kind ${scheme}`
}

/** Tells of what a store's own reader says of a URL. */
function readable(read: () => unknown, at: Segments, problems: ProblemList): void {
  try {
    read()
  } catch (cause) {
    const [text = '', hint] = (cause as Error).message.split('\n  hint: ')
    problems.add(at, { message: text.replace(/^store "[^"]*": /, ''), hint })
  }
}

/** What is accepted into a ledger that ends with the process is lost: that is to be chosen, not to be found out. */
function warnOfLedger(url: string, problems: ProblemList): void {
  problems.add(['store'], {
    severity: 'warning',
    message: 'Redis keeps no ledger: usage and audit end with the process',
    hint: `write { url: ${JSON.stringify(maskRedisUrl(url))}, ledger: sqlite:./data/ledger.db }, or ledger: memory: if that is meant`,
  })
}

function checkLiteral(
  url: string,
  at: Segments,
  { tree, positions }: ConfigTree,
  problems: ProblemList,
): void {
  if (!isRedisUrl(url) || maskRedisUrl(url) === url) return
  const container = at.length === 1 ? tree : tree['store']
  if (!positions.isLiteral(container as object, at.at(-1)!)) return
  problems.add(at, { message: SECRET_WRITTEN, hint: SECRET_HINT, severity: 'warning' })
}
