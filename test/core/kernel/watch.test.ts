import { mkdtemp, rename, rm, symlink, writeFile, mkdir, utimes } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { watchFiles } from '#core/kernel/watch.ts'

async function start(prepare: (folder: string) => Promise<string[]>) {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-watch-'))
  const files = await prepare(folder)
  let changes = 0
  const errors: Error[] = []
  const watch = await watchFiles(
    files,
    () => changes++,
    (error) => errors.push(error),
  )
  onTestFinished(async () => {
    watch.close()
    await rm(folder, { recursive: true, force: true })
  })
  return { folder, files, watch, errors, changes: () => changes }
}

const one = async (folder: string) => {
  await writeFile(join(folder, 'a.yaml'), 'a')
  return [join(folder, 'a.yaml')]
}

/** Longer than it waits for a writer to finish. */
const settled = () => new Promise((resolve) => setTimeout(resolve, 250))

test('a file that is written, or replaced, is a change; one that is touched is none', async () => {
  const { folder, files, changes } = await start(one)
  await utimes(files[0]!, new Date(), new Date())
  await settled()
  expect(changes()).toBe(0)
  await writeFile(files[0]!, 'b')
  await expect.poll(changes).toBe(1)
  await writeFile(join(folder, 'new'), 'c')
  await rename(join(folder, 'new'), files[0]!)
  await expect.poll(changes).toBe(2)
})

test('a link that is swapped above the files is a change, and so is what it leads to', async () => {
  const { folder, files, changes } = await start(async (at) => {
    for (const name of ['one', 'two']) {
      await mkdir(join(at, name))
      await writeFile(join(at, name, 'a.yaml'), name)
    }
    await symlink('one', join(at, '..data'))
    await symlink('..data/a.yaml', join(at, 'a.yaml'))
    return [join(at, 'a.yaml')]
  })
  await symlink('two', join(folder, 'next'))
  await rename(join(folder, 'next'), join(folder, '..data'))
  await expect.poll(changes).toBe(1)
  await writeFile(join(folder, 'two', 'a.yaml'), 'three')
  await expect.poll(changes).toBe(2)
  expect(files).toHaveLength(1)
})

test('a change while the config was being read is not lost', async () => {
  const { files, watch, changes } = await start(one)
  await writeFile(files[0]!, 'read by the reload')
  await expect.poll(changes).toBe(1)
  await writeFile(files[0]!, 'written before the reload was over')
  await watch.set(files)
  await expect.poll(changes).toBe(2)
})

test('a file that is not there yet is a change when it comes, and when it goes', async () => {
  const { files, changes, errors } = await start((folder) =>
    Promise.resolve([join(folder, 'later.yaml')]),
  )
  await writeFile(files[0]!, 'here')
  await expect.poll(changes).toBe(1)
  await rm(files[0]!)
  await expect.poll(changes).toBe(2)
  expect(errors).toEqual([])
})

test('a new file in a watched folder is a change', async () => {
  const { folder, changes } = await start((at) => Promise.resolve([at]))
  await writeFile(join(folder, 'tenant.yaml'), 'x')
  await expect.poll(changes).toBe(1)
})

test('nothing is told after close', async () => {
  const { files, watch, changes } = await start(one)
  await writeFile(files[0]!, 'b')
  watch.close()
  await settled()
  expect(changes()).toBe(0)
})
