import { definePlugin, type Json } from 'sluice'

export default definePlugin({
  name: 'quiet',
  stage: 'admit',
  summary: 'Refuses messages that shout.',

  schema: {
    type: 'object',
    additionalProperties: false,
    properties: {
      share: {
        type: 'number',
        minimum: 0,
        maximum: 1,
        default: 0.8,
        description: 'Share of capitals among the letters above which a message shouts.',
      },
    },
  },

  reads: ['request.body'],

  setup({ share }) {
    return {
      request(exchange) {
        if (shareOfCapitals(lastMessage(exchange.req.body)) <= share) return undefined
        return { deny: { code: 'BAD_REQUEST', message: 'please do not shout' } }
      },
      response: () => ({ headers: { 'x-volume': 'low' } }),
    }
  },
})

function lastMessage(body: Json | undefined): string {
  const { messages = [] } = body as { messages?: { content?: Json }[] }
  const content = messages.at(-1)?.content
  return typeof content === 'string' ? content : ''
}

function shareOfCapitals(text: string): number {
  const letters = text.match(/\p{L}/gu) ?? []
  const capitals = text.match(/\p{Lu}/gu) ?? []
  return letters.length === 0 ? 0 : capitals.length / letters.length
}
