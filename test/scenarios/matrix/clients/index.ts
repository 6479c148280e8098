import { aiClients } from './ai.ts'
import { anthropic, anthropic0 } from './anthropic.ts'
import type { Client } from './client.ts'
import { gemini } from './gemini.ts'
import { openaiChat } from './openai-chat.ts'
import { openaiResponses } from './openai-responses.ts'

/** Each provider's own SDK, where it has two the older one too. */
export const OWN_CLIENTS: readonly Client[] = [
  openaiChat,
  openaiResponses,
  anthropic,
  anthropic0,
  gemini,
]

/** The official SDKs that clients use. */
export const CLIENTS: readonly Client[] = [...OWN_CLIENTS, ...aiClients]
