import type { Infer, OptionsSchema } from '../config/schema.ts'
import { DURATION_PATTERN } from '../kit/duration.ts'

const duration = {
  type: ['integer', 'string'],
  minimum: 0,
  pattern: DURATION_PATTERN,
  'x-kind': 'duration',
} as const

/** Options of an upstream whose dialect is `demo`. Stands here rather than beside the upstream because the config checks it. */
export const demoSchema = {
  type: 'object',
  additionalProperties: false,
  properties: {
    text: {
      type: 'string',
      description: 'Answers this in place of an introduction and an echo of what was said.',
    },
    chunks: {
      type: 'integer',
      minimum: 1,
      maximum: 100_000,
      description: 'Pieces that a streamed text comes in, at most; by default one for each word.',
    },
    delay: { ...duration, default: 0, description: 'How long the first byte takes.' },
    chunkDelay: {
      ...duration,
      default: 0,
      description: 'How long each event of a stream takes after the one before.',
    },
    fail: {
      type: 'object',
      additionalProperties: false,
      description: 'Answers with an error.',
      properties: {
        status: {
          type: 'integer',
          minimum: 400,
          maximum: 599,
          default: 503,
          description: 'The status of the error.',
        },
        every: {
          type: 'integer',
          minimum: 1,
          default: 1,
          description: 'Fails every so many requests; 1 fails all of them.',
        },
      },
    },
    retryAfter: {
      ...duration,
      description: 'Sent with an error as retry-after, in whole seconds.',
    },
    cutAfter: {
      type: 'integer',
      minimum: 0,
      description: 'Breaks off each stream after so many events.',
    },
    allowControl: {
      type: 'boolean',
      default: false,
      description:
        'Lets a request ask for trouble: x-demo-fail: 503, x-demo-cut: 3, x-demo-delay: 200ms. For tests only.',
    },
  },
} as const satisfies OptionsSchema

/** The options, checked. */
export type DemoOptions = Infer<typeof demoSchema>
