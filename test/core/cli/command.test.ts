import { describe, expect, it } from 'vitest'
import manifest from '../../../package.json' with { type: 'json' }
import { sluice } from './command-line.ts'

const COMMANDS = ['run', 'check', 'explain', 'schema', 'list', 'new', 'doctor']

describe('sluice', () => {
  it('tells of all its commands, and that it was called without one', async () => {
    const bare = await sluice([])
    expect(bare.code).toBe(2)
    for (const name of COMMANDS) expect(bare.stdout).toMatch(new RegExp(`^ {2}${name} +\\S`, 'm'))
    expect(await sluice(['--help'])).toMatchObject({ code: 0, stdout: bare.stdout })
  })

  it('says its version', async () => {
    expect(await sluice(['--version'])).toMatchObject({ code: 0, stdout: `${manifest.version}\n` })
  })

  it('has a nearest word for a command that there is not', async () => {
    const { code, stderr } = await sluice(['chekc'])
    expect(code).toBe(2)
    expect(stderr).toBe('sluice: unknown command "chekc"\n  hint: did you mean check?\n')
  })

  it.each(COMMANDS)('explains %s before it does anything', async (name) => {
    const { code, stdout, stderr } = await sluice([name, '--nonsense', '--help'])
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(stdout).toContain(`usage: sluice ${name}`)
  })

  it.each(COMMANDS)('refuses an option that %s does not have', async (name) => {
    const { code, stderr } = await sluice([name, '--nonsense'])
    expect(code).toBe(2)
    expect(stderr).toContain('--nonsense')
    expect(stderr).toContain(`hint: sluice ${name} --help`)
  })
})

describe('sluice list', () => {
  it('shows plugins by stage, in the order in which requests pass the stages', async () => {
    const { code, stdout } = await sluice(['list', '--json'])
    expect(code).toBe(0)
    const names = (JSON.parse(stdout) as { name: string }[]).map(({ name }) => name)
    expect(names.indexOf('logging')).toBeLessThan(names.indexOf('filter'))
    expect(names.indexOf('filter')).toBeLessThan(names.indexOf('transformers'))
  })

  it('says what each is for', async () => {
    const { stdout } = await sluice(['list'])
    expect(stdout).toMatch(/^admit +filter +Lets requests, answers, events and messages pass/m)
  })
})
