import { expect, test } from 'vitest'
import type { Plugin } from '#core/sdk.ts'
import { startTestGateway } from '../../support/gateway.ts'
import { step } from '../../support/step.ts'

const plugins: Plugin[] = [
  step('blind', { request: () => undefined }),
  step('reader', {}, { reads: ['request.body'] }),
  step('answerReader', {}, { reads: ['response.body'] }),
  step('chunker', { chunk: () => undefined }),
  step('wrapper', { handle: (_, next) => next() }),
  step('counter', { done: () => undefined }),
  step('again', { handle: (_, next) => next() }, { stage: 'deliver', attempts: () => 2 }),
]

async function plan(pipeline: string, upstream = 'up') {
  const { generation } = await startTestGateway(
    `
upstreams:
  up: { dialect: openai-chat, url: "http://127.0.0.1:1/v1" }
  named: { dialect: openai-chat, url: "http://127.0.0.1:1/v1", models: { short: long } }
routes: [{ id: a, match: { api: openai-chat }, pipeline: ${pipeline}, upstream: ${upstream} }]
`,
    { plugins },
  )
  return generation.routes[0]!.plan
}

test('a route whose steps read nothing pipes everything', async () => {
  expect(await plan('[blind, wrapper]')).toMatchObject({
    bodyAt: undefined,
    readsAnswer: false,
    replays: false,
    reasons: [],
  })
})

test('the body is read before the first step that reads it, and says which', async () => {
  const read = await plan('[blind, reader, reader: { id: second }]')
  expect(read.bodyAt).toBe(1)
  expect(read.reasons).toEqual(['the request body is read as JSON: routes[0].pipeline[1] reads it'])
})

test('an expression reads as a step does: in when, in the options, in the routing rule', async () => {
  expect((await plan('[blind, blind: { id: b, when: $req.body.stream }]')).bodyAt).toBe(1)
  expect((await plan('[filter: { deny: { eq: [$req.model, x] } }]')).bodyAt).toBe(0)
  const rule = await plan('[blind]', '{ if: [{ eq: [$req.body.model, x] }, up, named] }')
  expect(rule.bodyAt).toBe(1)
  expect(rule.reasons[0]).toContain('the routing rule reads it')
  expect((await plan('[blind]', 'named')).reasons[0]).toContain('an upstream goes by the model')
})

test('a step that is off reads nothing', async () => {
  expect((await plan('[reader: { enabled: false }]')).bodyAt).toBeUndefined()
})

test('an answer is gathered for who reads it, and for chunk hooks', async () => {
  for (const name of ['answerReader', 'chunker']) {
    const { readsAnswer, reasons } = await plan(`[${name}]`)
    expect(readsAnswer).toBe(true)
    expect(reasons).toEqual(['a plain answer is gathered whole: routes[0].pipeline[0] reads it'])
  }
})

test('the body is kept where a step may try again', async () => {
  const { replays, reasons } = await plan('[again]')
  expect(replays).toBe(true)
  expect(reasons).toEqual([
    'the request body is kept whole: routes[0].pipeline[0] may send it again',
  ])
})

test('tokens are counted where a step can ask for them', async () => {
  expect((await plan('[blind]')).readsUsage).toBe(false)
  for (const name of ['counter', 'chunker', 'wrapper']) {
    expect((await plan(`[${name}]`)).readsUsage).toBe(true)
  }
})
