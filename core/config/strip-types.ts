import { MessageChannel, type MessagePort, receiveMessageOnPort, Worker } from 'node:worker_threads'

/** A text without its types, or what Node's parser said. */
export type Stripped =
  | { readonly text: string; readonly error?: undefined }
  | { readonly error: { readonly name: string; readonly message: string; readonly stack: string } }

/** How long one text may take, the start of the thread included. Milliseconds. */
const WAIT_MS = 10_000
/** How long the thread, which holds the parser's memory, waits for more. Milliseconds. */
const IDLE_MS = 2_000

interface Thread {
  readonly worker: Worker
  readonly port: MessagePort
  readonly flag: Int32Array
}

let thread: Thread | undefined
let idle: NodeJS.Timeout | undefined

/**
 * Takes the types out of TypeScript, line for line and column for column. In a thread of its own, which is waited for:
 * a text that nests too deep leaves Node's parser broken for the rest of its thread's life.
 */
export function stripTypes(text: string): Stripped {
  thread ??= start()
  const { worker, port, flag } = thread
  Atomics.store(flag, 0, 0)
  worker.postMessage(text)
  // Again where that was only the waking for the text before this one, which may come late.
  while (Atomics.wait(flag, 0, 0, WAIT_MS) === 'ok' && Atomics.load(flag, 0) === 0);
  const received = receiveMessageOnPort(port) as { message: Stripped } | undefined
  const stripped = received?.message ?? { error: TOO_MUCH }
  clearTimeout(idle)
  // An error of syntax says so; all else may have left it broken.
  if (stripped.error !== undefined && stripped.error.name !== 'SyntaxError') {
    stop()
    return { error: TOO_MUCH }
  }
  idle = setTimeout(stop, IDLE_MS).unref()
  return stripped
}

const TOO_MUCH = { name: 'RangeError', message: 'the script nests too deep to be read', stack: '' }

function start(): Thread {
  const { port1, port2 } = new MessageChannel()
  const flag = new Int32Array(new SharedArrayBuffer(4))
  const worker = new Worker(new URL('./strip-types-worker.ts', import.meta.url), {
    workerData: { port: port2, flag },
    transferList: [port2],
    execArgv: ['--disable-warning=ExperimentalWarning'],
  })
  worker.unref()
  port1.unref()
  return { worker, port: port1, flag }
}

function stop(): void {
  clearTimeout(idle)
  void thread?.worker.terminate()
  thread = undefined
}
