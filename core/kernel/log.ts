import pino from 'pino'
import { maskSecrets } from '../kit/secret.ts'
import type { Logger } from '../sdk.ts'

/** Writes the gateway's own events as JSON lines: synchronously, so that the last line before a crash is there. Secrets are masked. */
export function createLogger(level: string, fd: number): Logger {
  const destination = pino.destination({ fd, sync: true })
  const log = pino(
    { level, base: null, serializers: { err: pino.stdSerializers.errWithCause } },
    { write: (line) => void destination.write(maskSecrets(line)) },
  )
  return {
    debug: (message, fields) => log.debug(fields, message),
    info: (message, fields) => log.info(fields, message),
    warn: (message, fields) => log.warn(fields, message),
    error: (message, fields) => log.error(fields, message),
  }
}

/** A logger that adds fields to every line. */
export function withFields(log: Logger, fields: object): Logger {
  return {
    debug: (message, more) => log.debug(message, { ...fields, ...more }),
    info: (message, more) => log.info(message, { ...fields, ...more }),
    warn: (message, more) => log.warn(message, { ...fields, ...more }),
    error: (message, more) => log.error(message, { ...fields, ...more }),
  }
}
