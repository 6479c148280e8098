import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { existsSync, globSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { Readable } from 'node:stream'
import { describe, expect, it, onTestFinished } from 'vitest'
import { catalog } from '#core/cli/catalog.ts'
import { runCommand } from '#core/cli/command.ts'
import { loadConfig } from '#core/config/load.ts'
import { formatProblem } from '#core/config/problems.ts'

const pages = globSync('**/*.md', {
  exclude: ['node_modules/**', 'test/**', 'coverage/**', 'data/**'],
}).sort()

describe('README', () => {
  it('shows a config that loads', async () => {
    expect(await findProblems(await configIn('README.md'))).toEqual([])
  })

  it('shows what check says of a mistake in it', async () => {
    const yaml = (await configIn('README.md')).replace('message:', 'mesage:')
    const problem = (await findProblems(yaml)).find((one) => one.includes('mesage'))
    expect(await readFile('README.md', 'utf8')).toContain(problem)
  })

  it('shows what explain says of it', async () => {
    const [shown] = /^  ✗ .*?(?=```)/ms.exec(await readFile('README.md', 'utf8')) ?? []
    const cwd = await folderWith(await configIn('README.md'))
    let stdout = ''
    const terminal = {
      stdout: (text: string) => void (stdout += text),
      stderr: () => undefined,
      env: { OPENAI_API_KEY: 'sk-test' },
      cwd,
      isTerminal: false,
      stdin: Readable.from([]),
    }
    const call = ['POST', '/v1/chat/completions', '--consumer', 'ada', '-d', '{"model":"smart"}']
    await runCommand(['explain', ...call], terminal)
    expect(stdout).toContain(shown)
  })
})

describe('links', () => {
  it.each(pages)('of %s lead somewhere', async (page) => {
    expect(findDeadLinks(page, await readFile(page, 'utf8'))).toEqual([])
  })

  it('are caught where they do not', () => {
    expect(findDeadLinks('plugins/README.md', '[a](koa/READ.md#x) [b](https://a.test/)')).toEqual([
      'koa/READ.md',
    ])
  })
})

async function configIn(page: string): Promise<string> {
  const text = await readFile(page, 'utf8')
  return /```yaml\n(?<yaml>[^`]*version: 1.*?)```/s.exec(text)?.groups?.['yaml'] ?? ''
}

async function findProblems(yaml: string): Promise<string[]> {
  const cwd = await folderWith(yaml)
  const env = { OPENAI_API_KEY: 'sk-test', ANTHROPIC_API_KEY: 'sk-test' }
  const { problems } = await loadConfig('gateway.yaml', { env, cwd, catalog })
  return problems.map(formatProblem)
}

async function folderWith(yaml: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-words-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  await writeFile(join(folder, 'gateway.yaml'), yaml)
  return folder
}

function findDeadLinks(page: string, text: string): string[] {
  const targets = [...text.matchAll(/\]\((?<target>[^)\s]+)\)/g)].map(
    ({ groups }) => groups!['target']!,
  )
  return targets
    .filter((target) => !/^(https?:|#)/.test(target))
    .map((target) => target.replace(/#.*/, ''))
    .filter((target) => !existsSync(resolve(dirname(page), target)))
}
