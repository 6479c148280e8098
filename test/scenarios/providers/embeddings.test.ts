import type { IncomingMessage, ServerResponse } from 'node:http'
import { GoogleGenAI } from '@google/genai'
import OpenAI from 'openai'
import { describe, expect, test } from 'vitest'
import type { JsonObject } from '#core/kit/json.ts'
import { startTestGateway } from '../../support/gateway.ts'
import { bodyOf, startUpstream } from '../../support/upstream.ts'

interface Provider {
  readonly model: string
  readonly path: string
  /** What a request for these texts is, at one time. */
  readonly asked: (texts: readonly string[]) => JsonObject
  readonly answer: (vectors: number[][], tokens: number) => JsonObject
  /** Texts of one request. */
  readonly batch: number
}

/** After the providers' documents. */
const PROVIDERS: Readonly<Record<string, Provider>> = {
  cohere: {
    model: 'embed-v4.0',
    path: '/v2/embed',
    batch: 96,
    asked: (texts) => ({
      model: 'embed-v4.0',
      texts: [...texts],
      input_type: 'search_document',
      embedding_types: ['float'],
      output_dimension: 2,
    }),
    answer: (vectors, tokens) => ({
      id: 'e1',
      embeddings: { float: vectors },
      meta: { api_version: { version: '2' }, billed_units: { input_tokens: tokens } },
    }),
  },
  mistral: {
    model: 'codestral-embed',
    path: '/v1/embeddings',
    batch: 128,
    asked: (texts) => ({ model: 'codestral-embed', input: [...texts], output_dimension: 2 }),
    answer: (vectors, tokens) => ({
      object: 'list',
      data: vectors.map((embedding, index) => ({ object: 'embedding', index, embedding })),
      usage: { prompt_tokens: tokens, total_tokens: tokens },
    }),
  },
  ollama: {
    model: 'embeddinggemma',
    path: '/api/embed',
    batch: 512,
    asked: (texts) => ({ model: 'embeddinggemma', input: [...texts], dimensions: 2 }),
    answer: (vectors, tokens) => ({ embeddings: vectors, prompt_eval_count: tokens }),
  },
  bedrock: {
    model: 'amazon.titan-embed-text-v2:0',
    path: '/model/amazon.titan-embed-text-v2%3A0/invoke',
    batch: 1,
    asked: ([inputText = '']) => ({ inputText, dimensions: 2 }),
    answer: ([embedding = []], tokens) => ({ embedding, inputTextTokenCount: tokens }),
  },
}

async function start(dialect: string, { answer, asked, batch, model, path }: Provider) {
  const requests: JsonObject[] = []
  async function serve(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const body = JSON.parse((await bodyOf(req)).toString()) as JsonObject
    requests.push(body)
    const texts = (body['texts'] ?? body['input'] ?? [body['inputText']]) as string[]
    const isRight = req.url === path && texts.length <= batch
    res.writeHead(isRight ? 200 : 400, { 'content-type': 'application/json' })
    const vectors = texts.map((text) => [text.length, 0.5])
    res.end(JSON.stringify(isRight ? answer(vectors, 3 * texts.length) : { message: req.url }))
  }
  const upstream = await startUpstream((req, res) => void serve(req, res))
  const { url } = await startTestGateway(`
upstreams: { it: { dialect: ${dialect}, url: "${upstream.url}", keys: [k], models: { small: "${model}" } } }
routes: [{ id: llm, match: { api: llm }, upstream: it }]
`)
  return { url, requests, asked }
}

describe.each(Object.entries(PROVIDERS))('embeddings of %s', (dialect, provider) => {
  const input = ['a', 'bcd', 'ef']

  test("are asked for by OpenAI's SDK, which takes base64", async () => {
    const { asked, requests, url } = await start(dialect, provider)
    const client = new OpenAI({ apiKey: 'k', baseURL: `${url}/v1`, maxRetries: 0 })
    const answer = await client.embeddings.create({ model: 'small', input, dimensions: 2 })
    expect(answer.data.map(({ embedding }) => embedding)).toEqual([
      [1, 0.5],
      [3, 0.5],
      [2, 0.5],
    ])
    expect(answer).toMatchObject({ model: 'small', usage: { prompt_tokens: 9, total_tokens: 9 } })
    const batches = provider.batch === 1 ? input.map((text) => [text]) : [input]
    expect(requests).toHaveLength(batches.length)
    expect(requests).toEqual(expect.arrayContaining(batches.map(asked)))
  })

  test("are asked for by Google's SDK", async () => {
    const { url } = await start(dialect, provider)
    const client = new GoogleGenAI({ apiKey: 'k', httpOptions: { baseUrl: url } })
    const { embeddings } = await client.models.embedContent({ model: 'small', contents: input })
    expect(embeddings?.map(({ values }) => values)).toEqual([
      [1, 0.5],
      [3, 0.5],
      [2, 0.5],
    ])
  })
})
