import { execFile, spawn } from 'node:child_process'
import {
  copyFile,
  cp,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  symlink,
  writeFile,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { hasRedis, TestRedis } from '../support/redis.ts'

const exec = promisify(execFile)
const root = resolve('.')
const bin = join(root, 'node_modules/.bin')
const env = { ...process.env, PATH: `${bin}:${process.env['PATH']}`, NODE_OPTIONS: '' }

const PLUGIN = `
import { definePlugin, expression } from 'sluice'
import { testPlugin } from 'sluice/testing'

const plugin = definePlugin({
  name: 'acme',
  stage: 'shape',
  summary: 'Marks requests.',
  schema: {
    type: 'object',
    additionalProperties: false,
    properties: { where: expression({ description: 'Which.', 'x-scope': 'request' }) },
  },
  setup({ where }) {
    return {
      request: (exchange) => (where?.test(exchange) ? { headers: { 'x-acme': exchange.id } } : undefined),
      async handle(ctx, next) {
        ctx.set('x-route', ctx.exchange.route)
        await next()
      },
    }
  },
})
const tested = await testPlugin(plugin, { where: true })
const { upstream } = await tested.request({})
console.log(upstream?.headers['x-acme'])
await tested.close()
`

const STRICT = {
  compilerOptions: {
    target: 'es2024',
    module: 'nodenext',
    types: ['node'],
    strict: true,
    noEmit: true,
    skipLibCheck: false,
  },
  files: ['acme.ts'],
}

const APART = new Set(['.git', 'node_modules', 'test', 'data', 'coverage'])

describe('the packed tarball', { timeout: 120_000 }, () => {
  let folder: string
  let home: string
  let files: string[]
  let left: string[]

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sluice-pack-'))
    const copy = await copyTree(join(folder, 'tree'))
    const before = await filesOf(copy)
    const packed = await exec('npm', ['pack', '--json'], { cwd: copy, env })
    const [tarball] = JSON.parse(packed.stdout) as { filename: string; files: { path: string }[] }[]
    files = tarball!.files.map(({ path }) => path)
    left = (await filesOf(copy)).filter((file) => !before.includes(file))
    home = await install(join(copy, tarball!.filename), join(folder, 'home'))
  }, 120_000)

  afterAll(async () => {
    if (folder) await rm(folder, { recursive: true, force: true })
  })

  it('holds scripts, types, schemas and words, and nothing else', () => {
    const odd = files.filter(
      (file) =>
        !/^(core|plugins)\/.*\.js$|^core\/store\/.*\.lua$|^core\/.*\.d\.ts$|^plugins\/(.*\/)?README\.md$|^schemas\/.*\.json$/.test(
          file,
        ),
    )
    const atTop = ['CHANGELOG.md', 'LICENSE', 'README.md', 'gateway.yaml', 'package.json']
    expect(odd.sort()).toEqual(atTop)
  })

  it('leaves the tree as it was', async () => {
    expect(left).toEqual([expect.stringMatching(/^sluice-.*\.tgz$/)])
    const manifest = await readFile(join(folder, 'tree/package.json'), 'utf8')
    expect(manifest).toBe(await readFile('package.json', 'utf8'))
  })

  it('tells its version', async () => {
    const { version } = JSON.parse(await readFile('package.json', 'utf8')) as { version: string }
    expect((await sluice('--version')).stdout).toBe(`${version}\n`)
  })

  it('checks a config', async () => {
    expect((await sluice('check')).stdout).toContain('is right')
  })

  it.skipIf(!hasRedis)('keeps a store on a server', async () => {
    const server = await TestRedis.start()
    onTestFinished(() => server.stop())
    const store = `store: { url: "${server.url}", ledger: "memory:" }`
    const config = `version: 1\n${store}\nserver: { port: 0, admin: false }\n`
    await writeFile(
      join(home, 'redis.yaml'),
      `${config}routes: [{ id: a, upstream: a }]\nupstreams: { a: { dialect: demo } }\n`,
    )
    const { stdout } = await sluice('doctor', 'redis.yaml')
    expect(stdout).toMatch(/ok +store +redis opens and is writable/)
  })

  it('runs and answers a chat completion', async () => {
    const { url } = await start()
    const answer = await fetch(`${url}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'gpt-4o', messages: [{ role: 'user', content: 'hi' }] }),
    })
    expect(answer.status).toBe(200)
    expect(await answer.json()).toMatchObject({ object: 'chat.completion' })
  })

  it('runs a script in a process of its own, also where packages are links', async () => {
    const step = `script: { code: "return deny(418, 'no tea')" }`
    await writeFile(
      join(home, 'script.yaml'),
      `version: 1\nroutes: [{ id: a, match: { path: /tea }, pipeline: [{ ${step} }], upstream: a }]\nupstreams: { a: { dialect: demo } }\n`,
    )
    const { url } = await start('script.yaml')
    expect((await fetch(`${url}/tea`)).status).toBe(418)
  })

  it('lets authors write and test plugins with strict types', async () => {
    await writeFile(join(home, 'acme.ts'), PLUGIN)
    await writeFile(join(home, 'tsconfig.json'), JSON.stringify(STRICT))
    await exec('tsc', ['-p', home], { env })
    const { stdout } = await exec('node', ['acme.ts'], { cwd: home, env })
    expect(stdout).toBe('test-1\n')
  })

  async function sluice(...args: string[]) {
    return exec('node', [join(home, 'node_modules/.bin/sluice'), ...args], { cwd: home, env })
  }

  async function start(config = 'gateway.yaml'): Promise<{ url: string }> {
    const command = join(home, 'node_modules/.bin/sluice')
    const args = [command, 'run', config, '--port', '0', '--admin-port', '0', '--json']
    const child = spawn('node', args, { cwd: home, env, stdio: ['ignore', 'pipe', 'pipe'] })
    const ended = new Promise((done) => child.once('exit', done))
    onTestFinished(async () => {
      child.kill('SIGINT')
      await ended
    })
    for await (const line of createInterface({ input: child.stdout })) {
      return JSON.parse(line) as { url: string }
    }
    throw new Error(`ended before it was ready: ${await text(child.stderr)}`)
  }
})

/** The tree as a clone would have it, so that packing leaves the one that others work in alone. */
async function copyTree(to: string): Promise<string> {
  for (const file of await filesOf(root)) {
    await mkdir(dirname(join(to, file)), { recursive: true })
    await copyFile(join(root, file), join(to, file))
  }
  await symlink(join(root, 'node_modules'), join(to, 'node_modules'))
  return to
}

/** What stands in a tree, but for what no clone has and for the tests. */
async function filesOf(tree: string, below = ''): Promise<string[]> {
  const files: string[] = []
  for (const entry of await readdir(join(tree, below), { withFileTypes: true })) {
    const path = join(below, entry.name)
    if (entry.isFile()) files.push(path)
    if (entry.isDirectory() && !APART.has(entry.name)) files.push(...(await filesOf(tree, path)))
  }
  return files.sort()
}

/** What `npm i TARBALL` does, with the dependencies from this checkout rather than from a registry. */
async function install(tarball: string, home: string): Promise<string> {
  const modules = join(home, 'node_modules')
  await mkdir(join(modules, '.bin'), { recursive: true })
  await exec('tar', ['-xzf', tarball, '-C', modules])
  await cp(join(modules, 'package'), join(modules, 'sluice'), { recursive: true })
  await rm(join(modules, 'package'), { recursive: true })
  for (const name of await productionModules()) {
    await mkdir(dirname(join(modules, name)), { recursive: true })
    await symlink(join(root, 'node_modules', name), join(modules, name))
  }
  const manifest = join(modules, 'sluice/package.json')
  const { bin: commands } = JSON.parse(await readFile(manifest, 'utf8')) as {
    bin: { sluice: string }
  }
  await symlink(join('../sluice', commands.sluice), join(modules, '.bin/sluice'))
  await writeFile(join(home, 'package.json'), '{ "type": "module" }')
  await copyFile(join(modules, 'sluice/gateway.yaml'), join(home, 'gateway.yaml'))
  return home
}

async function productionModules(): Promise<string[]> {
  const { packages } = JSON.parse(await readFile('package-lock.json', 'utf8')) as {
    packages: Record<string, { dev?: boolean }>
  }
  return Object.entries(packages).flatMap(([path, { dev }]) => {
    const name = path.slice('node_modules/'.length)
    return path === '' || dev || name.includes('node_modules/') ? [] : [name]
  })
}

async function text(stream: AsyncIterable<Buffer>): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of stream) chunks.push(chunk)
  return Buffer.concat(chunks).toString()
}
