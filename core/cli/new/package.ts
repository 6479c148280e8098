import type { LaidOutFile } from './lay-out.ts'
import { pluginSource } from './plugin-source.ts'

/** The files of a plugin in a package of its own. Plain JavaScript, because Node strips no types in packages. */
export function packageFiles(name: string, version: string): readonly LaidOutFile[] {
  const folder = packageName(name)
  return [
    { path: `${folder}/package.json`, content: manifest(name, version) },
    { path: `${folder}/${name}.js`, content: pluginSource(name, 'sluice') },
    { path: `${folder}/${name}.test.js`, content: test(name) },
    { path: `${folder}/README.md`, content: readme(name) },
    { path: `${folder}/gateway.yaml`, content: gateway(name) },
  ]
}

/** `sluice-acme-pii` for `acmePii`: npm's names have no capitals. */
export function packageName(name: string): string {
  return `sluice-${name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`
}

function manifest(name: string, version: string): string {
  const content = {
    name: packageName(name),
    version: '0.1.0',
    description: 'A plugin for Sluice: names the request in a header field of the answer.',
    keywords: ['sluice', 'sluice-plugin'],
    type: 'module',
    exports: `./${name}.js`,
    files: [`${name}.js`],
    scripts: { test: 'node --test', check: 'sluice check', start: 'sluice run' },
    peerDependencies: { sluice: `^${version}` },
    devDependencies: { sluice: `^${version}` },
  }
  return `${JSON.stringify(content, null, 2)}\n`
}

function test(name: string): string {
  return `import assert from 'node:assert/strict'
import { test } from 'node:test'
import { testPlugin } from 'sluice/testing'
import ${name} from './${name}.js'

test('names the request in the answer', async () => {
  const tested = await testPlugin(${name})
  const answer = await tested.request({ path: '/' })
  assert.equal(answer.headers['x-request'], 'test-1')
})

test('refuses what cannot be the name of a field', async () => {
  await assert.rejects(testPlugin(${name}, { header: 'a b' }), /the name of a header field/)
})
`
}

function readme(name: string): string {
  return `# ${packageName(name)}

A plugin for [Sluice](https://www.npmjs.com/package/sluice): names the request in a header field of the answer.

\`\`\`yaml
plugins:
  ${name}: { from: "npm:${packageName(name)}", trust: full }

pipelines:
  main:
    - ${name}
\`\`\`

| option | default | what it does |
| --- | --- | --- |
| \`header\` | \`x-request\` | The field that gets the request id. |

\`npm test\` runs its tests, \`npm start\` a gateway that uses it.

## When not to use it

- Where \`x-request-id\` is enough: the gateway sets it on every answer by itself.
`
}

function gateway(name: string): string {
  return `# A gateway to try the plugin with: npm start
version: 1

plugins:
  ${name}: { from: ./${name}.js, trust: full }

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
