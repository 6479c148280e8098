import type { AnyValue } from '@opentelemetry/api'
import type { Host, Secret } from '#core/sdk.ts'
import type { Sink } from './sink.ts'
import { revealed } from './sink-options.ts'

/** An OpenTelemetry collector. */
export interface OtlpOptions {
  readonly otlp: string
  readonly headers?: Readonly<Record<string, Secret>>
  readonly service: string
}

/** Severity numbers of the OpenTelemetry log data model. */
const SEVERITY: Readonly<Record<string, number>> = { debug: 5, info: 9, warn: 13, error: 17 }

/**
 * Sends lines as log records: the time, the severity, the message as the body, all else as attributes. The SDK batches
 * them, retries what may be retried, and drops what finds no room in its queue.
 */
export async function openOtlp(options: OtlpOptions, host: Host): Promise<Sink> {
  const { LoggerProvider, BatchLogRecordProcessor } = await import('@opentelemetry/sdk-logs')
  const { OTLPLogExporter } = await import('@opentelemetry/exporter-logs-otlp-http')
  const { resourceFromAttributes } = await import('@opentelemetry/resources')
  const exporter = new OTLPLogExporter({ url: options.otlp, headers: revealed(options.headers) })
  const provider = new LoggerProvider({
    resource: resourceFromAttributes({ 'service.name': options.service }),
    processors: [new BatchLogRecordProcessor({ exporter })],
  })
  const logger = provider.getLogger('sluice')
  let closing: Promise<void> | undefined
  return {
    write(line) {
      const { time, level, msg, ...attributes } = JSON.parse(line) as Record<string, AnyValue>
      logger.emit({
        timestamp: Number(time),
        severityNumber: SEVERITY[String(level)] ?? 9,
        severityText: String(level),
        body: msg,
        attributes,
      })
    },
    close() {
      closing ??= provider.shutdown().catch((err: unknown) => {
        host.log.error('log not written', { destination: new URL(options.otlp).host, err })
      })
      return closing
    },
  }
}
