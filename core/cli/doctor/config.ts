import { type FSWatcher, watch } from 'node:fs'
import { access, constants, stat } from 'node:fs/promises'
import { createServer } from 'node:net'
import { dirname } from 'node:path'
import type { Config } from '../../config/model.ts'
import { sourceOf } from '../../config/store.ts'
import { openStore } from '../../store/open.ts'
import { fail, type Finding, messageOf, ok, warn } from './finding.ts'

/** What a config needs of the machine: its ports, its store, its files. */
export async function examineConfig(config: Config): Promise<Finding[]> {
  const { server } = config
  return [
    await examinePort('server', server.host, server.port),
    ...(server.admin ? [await examinePort('admin', server.admin.host, server.admin.port)] : []),
    await examineStore(config),
    ...(await examineFiles(config.files)),
    ...(config.reload.watch ? [examineWatch(config.files)] : []),
  ]
}

async function examinePort(name: string, host: string, port: number): Promise<Finding> {
  const subject = `${name} port`
  const place = `${host}:${port}`
  const server = createServer()
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject).listen({ host, port }, resolve)
    })
    return ok(subject, port === 0 ? `${host}, any free port` : `${place} is free`)
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    if (code === 'EADDRINUSE') {
      const remedy = `end what listens there (ss -ltnp), or set server.${name === 'admin' ? 'admin' : 'port'}`
      return fail(subject, `${place} is in use`, remedy)
    }
    if (code === 'EACCES') {
      return fail(subject, `${place} needs a privilege`, 'use a port above 1023')
    }
    return fail(
      subject,
      messageOf(cause),
      `set ${name === 'admin' ? 'server.admin' : 'server.host'}`,
    )
  } finally {
    server.close()
  }
}

async function examineStore({ store }: Config): Promise<Finding> {
  const source = sourceOf(store)
  const kind = source.url.slice(0, source.url.indexOf(':'))
  const warnings: string[] = []
  try {
    const opened = await openStore(source, {
      now: Date.now,
      onWarning: (message) => warnings.push(message),
    })
    try {
      const values = opened.keyValue('doctor/')
      await values.set('probe', 'here', 60_000)
      const isKept = (await values.get('probe')) === 'here'
      await values.delete('probe')
      if (!isKept) throw new Error('it does not keep what is written')
    } finally {
      await opened.close()
    }
    const [warning, remedy = ''] = warnings[0]?.split('\n  hint: ') ?? []
    if (warning !== undefined) return warn('store', warning, remedy)
    if (kind !== 'memory') return ok('store', `${kind} opens and is writable`)
    return ok('store', 'memory: empty after each start')
  } catch (cause) {
    const [message, remedy] = messageOf(cause).split('\n  hint: ')
    const general = 'see store in the config, whether it is there, and who may write there'
    return fail('store', message!, remedy ?? general)
  }
}

async function examineFiles(files: readonly string[]): Promise<Finding[]> {
  const findings: Finding[] = []
  for (const file of files) {
    try {
      await access(file, constants.R_OK)
      const { mode } = await stat(file)
      if ((mode & 0o002) !== 0) {
        findings.push(warn('files', `anybody may change ${file}`, `chmod o-w ${file}`))
      }
    } catch (cause) {
      findings.push(fail('files', messageOf(cause), `see who may read ${file}`))
    }
  }
  if (findings.length > 0) return findings
  return [ok('files', files.length === 1 ? 'one, readable' : `${files.length}, all readable`)]
}

/** Machines have few watches to give: where they are used up, a change is seen by looking, some seconds later. */
function examineWatch(files: readonly string[]): Finding {
  const watchers: FSWatcher[] = []
  try {
    for (const folder of new Set(files.map((file) => dirname(file)))) {
      watchers.push(watch(folder, { persistent: false }, () => {}))
    }
    return ok('file watch', 'works')
  } catch (cause) {
    const remedy = 'sysctl fs.inotify.max_user_watches=524288; until then changes are seen late'
    return warn('file watch', messageOf(cause), remedy)
  } finally {
    for (const watcher of watchers) watcher.close()
  }
}
