import { stripTypeScriptTypes } from 'node:module'
import type { MessagePort } from 'node:worker_threads'
import { parentPort, workerData } from 'node:worker_threads'
import type { Stripped } from './strip-types.ts'

/** Takes the types out of one text after another, for a thread that waits for each. */
const { port, flag } = workerData as { port: MessagePort; flag: Int32Array }

parentPort!.on('message', (text: string) => {
  port.postMessage(strip(text))
  Atomics.store(flag, 0, 1)
  Atomics.notify(flag, 0)
})

function strip(text: string): Stripped {
  try {
    return { text: stripTypeScriptTypes(text) }
  } catch (cause) {
    const { name, message, stack = '' } = cause as Error
    return { error: { name, message, stack } }
  }
}
