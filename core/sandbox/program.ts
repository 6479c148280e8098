import type { Script, ScriptUnit } from '../config/script.ts'
import { isNamed } from '../config/script-names.ts'
import type { Json } from '../kit/json.ts'
import { guest, type GuestLimits } from './guest.ts'
import { guestChanges } from './guest-changes.ts'
import { guestHash } from './guest-hash.ts'
import { harden } from './harden.ts'
import { pluginGuest, type PluginGuestSettings } from './plugin-guest.ts'

/** What a script may cost. Memory and output in bytes and characters, time in milliseconds. */
export interface ScriptLimits extends GuestLimits {
  readonly timeoutMs: number
  readonly memoryBytes: number
}

/** All that an isolate needs to run a script: texts and numbers, so that it can be sent. */
export interface Program {
  readonly units: readonly { readonly name: string; readonly text: string }[]
  readonly imports: readonly (readonly number[])[]
  readonly limits: ScriptLimits
}

/** The same for a plugin of somebody else's. */
export interface PluginProgram {
  readonly plugin: {
    readonly entry: string
    /** The texts of its modules by their paths. */
    readonly files: Readonly<Record<string, string>>
    readonly settings: PluginGuestSettings
    /** Absent where it is only asked what it is. */
    readonly options?: Json
  }
  readonly limits: Pick<ScriptLimits, 'timeoutMs' | 'memoryBytes'>
}

/** What an isolate runs. */
export type AnyProgram = Program | PluginProgram

/** What a script finds under these names. */
const SEEN = [
  'req',
  'res',
  'consumer',
  'usage',
  'vars',
  'chunk',
  'msg',
  'id',
  'route',
  'now',
  'env',
]
const TOOLS = [
  'deny',
  'upstream',
  'set',
  'remove',
  'drop',
  'reply',
  'close',
  'log',
  'hash',
  'store',
]

/** Makes a checked script ready to be sent to an isolate. */
export function programOf({ units }: Script, limits: ScriptLimits): Program {
  return {
    units: units.map((unit, index) => ({ name: `unit${index}`, text: textOf(unit) })),
    imports: units.map(({ imports }) => imports.map(({ unit }) => unit)),
    limits,
  }
}

/** Columns before the text of a unit on its first line. */
export function headLength(unit: ScriptUnit): number {
  return headOf(unit).length
}

function textOf(unit: ScriptUnit): string {
  const end = unit.exports === undefined ? '' : `;return ${unit.exports}`
  return `${headOf(unit)}${unit.code}\n${end}}}})`
}

/** The names are bound in blocks around the text, so that it may have its own of the same name. Only those that it says. */
function headOf({ code, imports, exports }: ScriptUnit): string {
  const said = (names: readonly string[]) => names.filter((name) => isNamed([code], name)).join(',')
  const isScript = exports === undefined
  const seen = isScript ? `const{${said(SEEN)}}=$v;` : ''
  const tools = `const{${said(isScript ? TOOLS : ['log', 'hash'])}}=$t;`
  const bound = imports.map(({ binding }, index) => `const ${binding}=$i[${index}];`).join('')
  return `"use strict";(function($i,$t,$v){${seen}${tools}{${bound}{`
}

/** The text that hardens an isolate. */
export const HARDEN = `"use strict";(${harden.toString()})()`

/** The text of the function that makes a call's function of the units. */
export const GUEST = `"use strict";((limits, imports, units) =>
(${guest.toString()})(limits, imports, units, (${guestHash.toString()})(), (${guestChanges.toString()})()))`

/** The text of the function that makes a call's function of a plugin. */
export const PLUGIN_GUEST = `"use strict";(${pluginGuest.toString()})`
