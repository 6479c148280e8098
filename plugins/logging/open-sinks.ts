import type { Host } from '#core/sdk.ts'
import type { Sink } from './sink.ts'
import type { SinkOptions } from './sink-options.ts'

/** Opens all sinks of a step. Rejects where one cannot be opened, and leaves none open then. */
export async function openSinks(
  wanted: SinkOptions | readonly SinkOptions[],
  bufferBytes: number,
  host: Host,
): Promise<readonly Sink[]> {
  const sinks: Sink[] = []
  try {
    for (const one of isList(wanted) ? wanted : [wanted]) {
      sinks.push(await openSink(one, bufferBytes, host))
    }
  } catch (cause) {
    await Promise.all(sinks.map((sink) => sink.close()))
    throw cause
  }
  return sinks
}

function isList(wanted: SinkOptions | readonly SinkOptions[]): wanted is readonly SinkOptions[] {
  return Array.isArray(wanted)
}

/** Each kind is loaded when it is used. */
async function openSink(options: SinkOptions, bufferBytes: number, host: Host): Promise<Sink> {
  if (typeof options === 'string') {
    const { openFile } = await import('./file-sink.ts')
    return openFile({ file: options }, bufferBytes, host)
  }
  if ('file' in options) {
    const { openFile } = await import('./file-sink.ts')
    return openFile(options, bufferBytes, host)
  }
  if ('url' in options) {
    const { openHttp } = await import('./http-sink.ts')
    return openHttp(options, bufferBytes, host)
  }
  const { openOtlp } = await import('./otlp-sink.ts')
  return openOtlp(options, host)
}
