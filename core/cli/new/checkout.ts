import type { LaidOutFile } from './lay-out.ts'
import { pluginSource } from './plugin-source.ts'

/** In constants, because `npm pack` turns specifiers that stand behind `from` into those of scripts. */
const SDK = '#core/sdk.ts'
const TESTING = '#core/testing.ts'

/** The files of a first-party plugin: the plugin, its words, its test and its example. */
export function checkoutFiles(name: string): readonly LaidOutFile[] {
  return [
    { path: `plugins/${name}/${name}.ts`, content: pluginSource(name, SDK) },
    { path: `plugins/${name}/README.md`, content: readme(name) },
    { path: `test/plugins/${name}.test.ts`, content: test(name) },
    { path: `examples/${name}.yaml`, content: example(name) },
  ]
}

/** plugins/index.ts with one more plugin, in its alphabetical place. Throws where its list cannot be found. */
export function registered(index: string, name: string): string {
  const lines = index.split('\n')
  // In two steps for the same reason as above.
  const file = `./${name}/${name}.ts`
  const line = `  ${name}: () => import('${file}'),`
  const listed = lines.flatMap((text, at) => (LISTED.test(text) ? [at] : []))
  if (listed.length === 0) throw new Error('plugins/index.ts has no list of plugins to add to')
  const before = listed.find((at) => nameOf(lines[at]!) > name) ?? listed.at(-1)! + 1
  return lines.toSpliced(before, 0, line).join('\n')
}

const LISTED = /^ {2}(\w+): \(\) => import\(/

function nameOf(line: string): string {
  return LISTED.exec(line)![1]!
}

function test(name: string): string {
  return `import { describe, expect, it } from 'vitest'
import { testPlugin } from '${TESTING}'
import ${name} from '#plugins/${name}/${name}.ts'

describe('${name}', () => {
  it('names the request in the answer', async () => {
    const tested = await testPlugin(${name})
    const answer = await tested.request({ path: '/' })
    expect(answer.headers['x-request']).toBe('test-1')
  })

  it('uses the field that the operator names', async () => {
    const tested = await testPlugin(${name}, { header: 'x-id' })
    const answer = await tested.request({ path: '/' })
    expect(answer.headers).toMatchObject({ 'x-id': 'test-1' })
    expect(answer.headers).not.toHaveProperty('x-request')
  })

  it('refuses what cannot be the name of a field', async () => {
    const refused = testPlugin(${name}, { header: 'a b' })
    await expect(refused).rejects.toThrow('the name of a header field')
  })
})
`
}

function readme(name: string): string {
  return `# ${name}

## What it does

Names the request in a header field of the answer.

## Smallest config

From [examples/${name}.yaml](../../examples/${name}.yaml):

\`\`\`yaml
- ${name}
\`\`\`

## Options

<!-- options -->
<!-- /options -->

## What you will see

- The header field \`x-request\`, or the one that \`header\` names, on every answer.

## When not to use it

- Where \`x-request-id\` is enough: the gateway sets it on every answer by itself.
`
}

function example(name: string): string {
  return `# yaml-language-server: $schema=../schemas/gateway.schema.json
# Each answer names its request.
#
# try: curl localhost:8080/v1/chat/completions --json '{ "model": "demo", "messages": [] }'
# expect: 200 x-request:
version: 1

upstreams:
  demo: { dialect: demo }

pipelines:
  main:
    - ${name}

routes:
  - id: all
    match: { api: llm }
    pipeline: main
    upstream: demo
`
}
