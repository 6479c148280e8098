import type { NameRule } from '../hub/names.ts'

/** What OpenAI takes as a tool's name. */
export const CHAT_NAMES: NameRule = { pattern: /^[a-zA-Z0-9_-]+$/, maxLength: 64 }
