/** A message of a chat, as far as its text goes. */
interface Message {
  role: string
  content?: string | { type: string; text?: string }[]
}

/** The text of a message, whether it is one string or a list of parts. */
export function textOf({ content = '' }: Message): string {
  if (typeof content === 'string') return content
  return content.map((part) => part.text ?? '').join('\n')
}

/** What users of a chat have said, all in one. */
export function saidByUsers(messages: Message[] = []): string {
  return messages
    .filter(({ role }) => role === 'user')
    .map(textOf)
    .join('\n')
}
