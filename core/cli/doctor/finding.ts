/** What one examination came to. */
export interface Finding {
  readonly subject: string
  readonly state: 'ok' | 'warn' | 'fail'
  /** What was found, with numbers. */
  readonly message: string
  /** What to do about it. */
  readonly remedy?: string
}

/** All is well. */
export function ok(subject: string, message: string): Finding {
  return { subject, state: 'ok', message }
}

/** It works, but not as well as it should. */
export function warn(subject: string, message: string, remedy: string): Finding {
  return { subject, state: 'warn', message, remedy }
}

/** The gateway would not start, or would not serve. */
export function fail(subject: string, message: string, remedy: string): Finding {
  return { subject, state: 'fail', message, remedy }
}

/** The message of whatever was thrown. */
export function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause)
}
