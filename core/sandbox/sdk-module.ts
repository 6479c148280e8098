import { STAGES } from '../config/stages.ts'
import { BYTES_PATTERN } from '../kit/bytes.ts'
import { DURATION_PATTERN } from '../kit/duration.ts'

/** What a sandboxed plugin gets for the module `sluice`: what `definePlugin` needs, and nothing that reaches outside. */
export const SDK_MODULE = `
  export const definePlugin = (plugin) => plugin
  export const STAGES = ${JSON.stringify(STAGES)}
  const texts = { type: ['integer', 'string'], minimum: 0 }
  export const duration = (option) => ({ ...texts, pattern: ${JSON.stringify(DURATION_PATTERN)}, 'x-kind': 'duration', ...option })
  export const bytes = (option) => ({ ...texts, pattern: ${JSON.stringify(BYTES_PATTERN)}, 'x-kind': 'bytes', ...option })
  export const expression = (option) => ({ 'x-kind': 'expression', ...option })
  export const secret = (option) => ({ type: 'string', minLength: 1, 'x-kind': 'secret', ...option })
  export const script = (option) => ({ type: 'string', minLength: 1, 'x-kind': 'code', ...option })
  export const scriptFile = (option) => ({ type: 'string', minLength: 1, 'x-kind': 'code-file', ...option })
  export class GatewayError extends Error {
    constructor(code, message, { status, headers, param } = {}) {
      super(message)
      this.name = 'GatewayError'
      Object.assign(this, { code, status, headers, param })
    }
  }
`
