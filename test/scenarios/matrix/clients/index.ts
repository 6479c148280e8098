import { aiClients } from './ai.ts'
import { anthropic, anthropic0 } from './anthropic.ts'
import type { Client } from './client.ts'
import { gemini } from './gemini.ts'
import { openaiChat } from './openai-chat.ts'
import { openaiResponses } from './openai-responses.ts'

/** The official SDKs that clients use. */
export const CLIENTS: readonly Client[] = [
  openaiChat,
  openaiResponses,
  anthropic,
  anthropic0,
  gemini,
  ...aiClients,
]
