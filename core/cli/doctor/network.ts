import type { Config, UpstreamConfig } from '../../config/model.ts'
import { tokenUrlOf } from '../../upstream/auth/create-authorizer.ts'
import { createDial } from '../../upstream/connect.ts'
import { fail, type Finding, messageOf, ok } from './finding.ts'

/** For name, connection and certificate together. Milliseconds. */
const TIMEOUT_MS = 3_000

/** Whether each upstream, and where its tokens come from, can be reached: name, connection, certificate. Sends no request, so it costs nothing. */
export async function examineUpstreams(config: Config): Promise<Finding[]> {
  const checks = [...config.upstreams.values()].flatMap((upstream) => {
    const subject = `upstream ${upstream.name}`
    const services = upstream.endpoints.map(({ url }) => reach(subject, url, upstream.tls))
    const tokens = tokenUrlOf(upstream.auth)
    return tokens === undefined ? services : [...services, reach(`tokens of ${subject}`, tokens)]
  })
  return Promise.all(checks)
}

async function reach(subject: string, url: string, tls?: UpstreamConfig['tls']): Promise<Finding> {
  const { protocol, hostname, port, host } = new URL(url.replace(/^ws/, 'http'))
  const dial = createDial({ timeoutMs: TIMEOUT_MS, tls, guard: undefined })
  const startedAt = performance.now()
  const target = { protocol, hostname: hostname.replace(/^\[|\]$/g, ''), port }
  try {
    await new Promise<void>((resolve, reject) => {
      dial(target, (error, socket) => {
        socket?.destroy()
        if (error) reject(error)
        else resolve()
      })
    })
    return ok(subject, `${host} answers in ${Math.round(performance.now() - startedAt)} ms`)
  } catch (cause) {
    return fail(
      subject,
      `${host}: ${messageOf(cause)}`,
      'see its url, the name server and the firewall',
    )
  }
}
