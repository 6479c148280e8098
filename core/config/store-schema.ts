import { secret, type Schema } from './schema.ts'

const url = {
  type: 'string',
  minLength: 1,
  title: 'a URL such as sqlite:./data/sluice.db',
  description:
    'memory:, sqlite:PATH, redis://HOST:PORT (rediss:// with TLS), or redis+sentinel://HOST,HOST/NAME. valkey:// is the same as redis://.',
  examples: ['sqlite:./data/sluice.db', 'redis://127.0.0.1:6379'],
} as const

/** Where state is kept. */
export const STORE = {
  anyOf: [
    url,
    {
      type: 'object',
      additionalProperties: false,
      required: ['url'],
      properties: {
        url,
        ledger: {
          type: 'string',
          minLength: 1,
          title: 'a URL such as sqlite:./data/ledger.db',
          description:
            'Where the ledger (usage, audit, dead letters) is kept, if not there: sqlite:PATH, or memory: where losing it is of no account. Redis keeps none.',
          examples: ['sqlite:./data/ledger.db'],
        },
        password: secret({
          description: 'Of the server. As it is, whereas in the URL it would have to be encoded.',
          examples: ['${file:/run/secrets/redis}'],
        }),
        sentinelPassword: secret({ description: 'Of the sentinels, where they want one.' }),
      },
    },
  ],
  default: 'memory:',
  description: 'Where state is kept: a URL, or a map with one.',
} as const satisfies Schema
