import { definePlugin, type Hooks, type Host, type Plugin } from '#core/sdk.ts'

/** A plugin of a test: its hooks, and what it declares of itself. */
export function step(
  name: string,
  hooks: Hooks | ((host: Host) => Hooks | Promise<Hooks>),
  declared: Partial<
    Pick<Plugin, 'stage' | 'reads' | 'writes' | 'attempts' | 'needs' | 'provides' | 'protocols'>
  > = {},
): Plugin {
  return definePlugin({
    name,
    stage: 'shape',
    summary: 'Stands in for a plugin.',
    schema: {
      type: 'object',
      additionalProperties: false,
      properties: {
        value: { type: 'string', default: '', description: 'Makes two steps differ.' },
      },
    },
    setup: (_, host) => (typeof hooks === 'function' ? hooks(host) : hooks),
    ...declared,
  })
}
