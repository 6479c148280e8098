#!/usr/bin/env node
import process from 'node:process'

// An older Node would stop at the first thing that it does not know, with a stack.
const [major, minor] = process.versions.node.split('.').map(Number) as [number, number]
if (major < 24 || (major === 24 && minor < 14)) {
  process.stderr.write(`sluice needs Node 24.14 or later, this is ${process.versions.node}\n`)
  process.exit(1)
}

// Before anything else is loaded: a second start takes half the time.
const { enableCompileCache } = await import('node:module')
enableCompileCache()

const { runCommand } = await import('./command.ts')

process.exitCode = await runCommand(process.argv.slice(2), {
  stdout: (text) => void process.stdout.write(text),
  stderr: (text) => void process.stderr.write(text),
  env: process.env,
  cwd: process.cwd(),
  isTerminal: process.stdout.isTTY,
  // Only looked at by who reads it: a terminal that is touched keeps the process alive.
  get stdin() {
    return process.stdin
  },
})
