import type { Config } from '../../config/model.ts'
import { formatPosition } from '../../config/problems.ts'
import type { LiveRequest } from '../../kernel/exchange.ts'
import { toGatewayError } from '../../kernel/respond.ts'
import { compileRoutes, explainMatch, findRoute, type RouteMatcher } from '../../kernel/routes.ts'
import type { Explanation, RouteAnswer } from './explanation.ts'
import { type Mask, traced } from './record.ts'

/** What to explain, and where from. */
export interface ExplainOptions {
  readonly cwd: string
  readonly now: number
  /** Explains this route, whether it matches or not. */
  readonly route: string | undefined
}

/** Asks the routes in their order. Throws a RangeError for a named one that there is not. */
export function chooseRoute(
  config: Config,
  req: LiveRequest,
  { route: wanted, now }: ExplainOptions,
  mask: Mask,
) {
  const matchers = compileRoutes(config)
  if (wanted !== undefined) {
    const one = matchers.find(({ config: { id } }) => id === wanted)
    if (one === undefined) {
      const known = matchers.map(({ config: { id } }) => id).join(', ')
      throw new RangeError(`there is no route ${JSON.stringify(wanted)}; there are ${known}`)
    }
    const routes = [askRoute(one, req, config, now, mask)]
    // What the route would have set, had it been asked in its turn.
    req.dialect = one.config.dialect ?? req.dialect
    findOrRefusal([one], req, config, now)
    return { routes, found: one.config, refusal: undefined }
  }
  const { found, refusal } = findOrRefusal(matchers, req, config, now)
  const last = found === undefined ? matchers.length : matchers.indexOf(found) + 1
  const routes = matchers.slice(0, last).map((one) => askRoute(one, req, config, now, mask))
  return { routes, found: found?.config, refusal }
}

function findOrRefusal(
  matchers: readonly RouteMatcher[],
  req: LiveRequest,
  { env }: Config,
  now: number,
): { found?: RouteMatcher; refusal?: NonNullable<Explanation['refusal']> } {
  try {
    return { found: findRoute(matchers, req, env, now) }
  } catch (cause) {
    return { refusal: refusalOf(cause) }
  }
}

function askRoute(
  matcher: RouteMatcher,
  req: LiveRequest,
  { env }: Config,
  now: number,
  mask: Mask,
): RouteAnswer {
  const { id, position, match } = matcher.config
  const mismatch = mismatchOf(matcher, req, env, now)
  // `when` is asked last, so it was only asked where nothing else told the route out.
  const wasAsked = match.when !== undefined && (mismatch === undefined || /`when`/.test(mismatch))
  return {
    id,
    position: formatPosition(position),
    ...(mismatch !== undefined && { mismatch }),
    ...(wasAsked && { when: traced('when', match.when, { req, env, now }, mask) }),
  }
}

/** A condition that breaks, such as one about a query of too many parameters, ends the request there. */
function mismatchOf(...asked: Parameters<typeof explainMatch>): string | undefined {
  try {
    return explainMatch(...asked)
  } catch (cause) {
    return `cannot be asked: ${cause instanceof Error ? cause.message : String(cause)}`
  }
}

/** What a client is told of an error. */
export function refusalOf(cause: unknown): NonNullable<Explanation['refusal']> {
  const [{ status, code, message }] = toGatewayError(cause)
  return { status, code, message }
}
