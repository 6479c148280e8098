import { capabilitiesOf, type Capabilities } from '../capabilities.ts'
import type { Crossing } from './codec.ts'
import type { TargetName } from './conversation.ts'
import { ToolNames } from './names.ts'
import { Report } from './report.ts'
import type { HubRequest } from './request.ts'

/** Starts a request's way to an upstream. `model` is the upstream's name of the model, for its capabilities. */
export function newCrossing(
  request: HubRequest,
  target: TargetName,
  given: {
    readonly requestId: string
    /** Unix seconds. */
    readonly created: number
    readonly modelName?: string
    readonly capabilities?: Capabilities
  },
): Crossing {
  return {
    request,
    target,
    capabilities: given.capabilities ?? capabilitiesOf(request.model),
    report: new Report(target),
    names: new ToolNames(),
    wrappedTools: new Set(),
    requestId: given.requestId,
    modelName: given.modelName,
    created: given.created,
  }
}
