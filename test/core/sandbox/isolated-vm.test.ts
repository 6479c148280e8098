import { expect, it } from 'vitest'
import { assertSafe, FLOOR, loadIsolatedVm } from '#core/sandbox/isolated-vm.ts'

it('is refused below the version that scripts cannot leave', () => {
  for (const version of ['6.2.0', '7.0.0', '7.0.1-beta.1']) {
    expect(() => assertSafe(version)).toThrow(
      `isolated-vm ${version} lets scripts break out (GHSA-864f-rcv7-6rh4): ${FLOOR} or later is needed`,
    )
  }
})

it('is taken from that version on', () => {
  for (const version of ['7.0.1', '7.1.0', '8.0.0', '10.0.0'])
    expect(() => assertSafe(version)).not.toThrow()
  expect(loadIsolatedVm().Isolate).toBeTypeOf('function')
})
