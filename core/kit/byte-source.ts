/** Where the bytes of a streamed body go. */
export interface ByteSink {
  /** Takes one piece; false asks the source to pause until `resume()`. */
  data(chunk: Buffer): boolean
  /** The body is complete. Called at most once, never after `error`. */
  end(): void
  /** The body was cut. Called at most once, never after `end`. */
  error(cause: Error): void
}

/**
 * A streamed body that nobody has read yet. Cheaper than a Node stream: no queue, no events, no promises.
 * Exactly one reader: `pipe` is called once. A source holds back what arrives before `pipe`, within a bound.
 */
export interface ByteSource {
  pipe(sink: ByteSink): void
  /** Lets the source go on after a `data` that returned false. */
  resume(): void
  /** Gives up: frees the connection at once; the sink hears `error(reason)` if it has not ended. */
  abort(reason: Error): void
}
