import { defineConfig } from 'vitest/config'

/** Where CI wants the outcome as JSON, beside what people read. */
const report = process.env['SLUICE_TEST_REPORT']

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    sequence: { shuffle: true },
    testTimeout: 15_000,
    maxWorkers: 2,
    // What isolated-vm asks for, where scripts run inside the gateway.
    execArgv: ['--no-node-snapshot'],
    ...(report === undefined
      ? {}
      : { reporters: ['default', 'json'], outputFile: { json: report } }),
    coverage: {
      include: ['core/**/*.ts', 'plugins/**/*.ts'],
      // It runs as a process of its own, in the test of the package.
      exclude: ['core/cli/pack.ts', 'core/cli/main.ts'],
    },
  },
})
