import type { ClientDialect, UpstreamDialect } from '../dialects/dialect.ts'
import type { CapabilityRow } from '../dialects/capabilities.ts'
import type { Expression, Part } from '../expressions/expression.ts'
import type { JsonObject } from '../kit/json.ts'
import type { Secret } from '../kit/secret.ts'
import type { Plugin } from '../sdk.ts'
import type { Position } from './problems.ts'

/** A whole config, checked: every default is in, every duration in milliseconds, every expression compiled. Frozen. */
export interface Config {
  /** The main file as it was named, such as `gateway.yaml`. */
  readonly file: string
  /** Every file that was read, `${file:…}` included, and the folders that an include looks through: what a reload watches. Absolute paths. */
  readonly files: readonly string[]
  /** Changes when anything changes that matters to the running gateway. */
  readonly fingerprint: string
  readonly server: ServerConfig
  readonly store: StoreConfig
  readonly reload: { readonly watch: boolean; readonly drainMs: number }
  /** The plugins of others, as they were granted and what they say of themselves. */
  readonly plugins: readonly (PluginSource & Pick<Plugin, 'stage' | 'summary'>)[]
  readonly upstreams: ReadonlyMap<string, UpstreamConfig>
  /** In the order in which they are tried. */
  readonly routes: readonly RouteConfig[]
  /** What expressions see as `env`: only the variables that the config names as `$env.NAME`. */
  readonly env: Readonly<Record<string, string>>
  /** The config as it is in force, after include, use, override and interpolation; secrets masked. */
  readonly effective: JsonObject
}

/** Where state is kept. */
export interface StoreConfig {
  /** `memory:`, `sqlite:PATH`, `redis://…`, without its password. */
  readonly url: string
  /** Where the ledger is, if not there. */
  readonly ledger: string | undefined
  readonly password: Secret | undefined
  readonly sentinelPassword: Secret | undefined
}

/** The listeners and their limits. */
export interface ServerConfig {
  readonly host: string
  readonly port: number
  readonly admin:
    | { readonly host: string; readonly port: number; readonly token: Secret | undefined }
    | undefined
  /** CIDRs of the proxies whose `x-forwarded-*` is believed. */
  readonly trustProxy: readonly string[]
  /** Paths may hold `%2f` and `%5c`. */
  readonly allowEncodedSlashes: boolean
  readonly timeouts: {
    readonly headersMs: number
    readonly requestMs: number
    readonly keepAliveMs: number
    /** An answer whose socket has not drained for so long is given up. */
    readonly writeMs: number
    /** After SIGTERM: how long to go on serving with readiness off, and then how long to wait for exchanges. */
    readonly shutdownDelayMs: number
    readonly drainMs: number
  }
  readonly limits: {
    readonly headerBytes: number
    readonly headers: number
    readonly urlBytes: number
    readonly bodyBytes: number
    readonly jsonDepth: number
    readonly connections: number
    readonly requestsPerSocket: number
    /** Bytes of one answer that may wait for a slow client. */
    readonly bufferedBytes: number
  }
  /** Load shedding: the share of heap or the event-loop delay above which new requests get 503. */
  readonly overload: { readonly eventLoopDelayMs: number; readonly heapShare: number }
  readonly websocket: {
    readonly maxPayloadBytes: number
    readonly maxFragments: number
    readonly pingIntervalMs: number
    readonly idleMs: number
    readonly messagesPerSecond: number
  }
}

/** A provider or service. */
export interface UpstreamConfig {
  readonly name: string
  readonly position: Position
  /** `demo` answers by itself; a list where one service speaks several. */
  readonly dialects: readonly UpstreamDialect[]
  readonly endpoints: readonly EndpointConfig[]
  /** Empty ones are left out, so `${KEY:-}` means: no key. */
  readonly keys: readonly Secret[]
  /** A credential that is fetched or made for each request, where keys are not enough. */
  readonly auth?: UpstreamAuth | undefined
  /** Azure's version of its API, where it wants one in the query. */
  readonly apiVersion?: string | undefined
  /** Added to every request, over what the client sent; null removes. */
  readonly headers: Readonly<Record<string, string | Secret | null>>
  /** Request headers of the client that are credentials and are forwarded all the same. */
  readonly forwardCredentials: boolean
  readonly timeouts: {
    readonly connectMs: number
    readonly firstByteMs: number
    readonly idleMs: number
    readonly totalMs: number
  }
  /** Sockets per endpoint. */
  readonly maxConnections: number
  /** How certificates are checked: PEM of the authorities to trust over the system's; `verify: false` accepts any. */
  readonly tls?: { readonly ca?: string | undefined; readonly verify?: boolean | undefined }
  /** Patterns of the models that it serves (`claude-*`), for `byModel`; with the name to use upstream where it is an alias. */
  readonly models: readonly { readonly pattern: string; readonly as: string | undefined }[]
  /** What its models take, over the gateway's own table. */
  readonly capabilities?: readonly CapabilityRow[]
  /** Only for `demo`. */
  readonly demo: JsonObject
  /** Changes when anything above changes. */
  readonly fingerprint: string
}

/** How an upstream's credential is had. Secrets may be empty where the environment has none. */
export type UpstreamAuth =
  | {
      readonly type: 'oauth2-client-credentials'
      readonly tokenUrl: string
      readonly clientId: string
      readonly clientSecret: Secret
      readonly clientAuth: 'basic' | 'post'
      readonly scope?: string | undefined
      readonly parameters: Readonly<Record<string, string>>
    }
  | { readonly type: 'google-service-account'; readonly key: Secret; readonly scope: string }
  | {
      readonly type: 'aws-sigv4'
      readonly accessKeyId: Secret
      readonly secretAccessKey: Secret
      readonly sessionToken?: Secret | undefined
      readonly region: string
      readonly service: string
    }

/** One base URL. */
export interface EndpointConfig {
  readonly url: string
  readonly weight: number
  /** True where the host stands in the operator's config as written, so that private ranges are trusted. */
  readonly isTrusted: boolean
}

/** What a request must look like. All that is given must hold. */
export interface MatchConfig {
  /** Upper case; empty means any. */
  readonly methods: readonly string[]
  /** Patterns in the grammar of kit/path-pattern: `/files/*`, `/v1/models/{model}`; empty means any path. */
  readonly paths: readonly string[]
  /** Host names without port, lower case; `*.example.com` for one or more labels. */
  readonly hosts: readonly string[]
  /** Lower-case names; `*` means: present. */
  readonly headers: Readonly<Record<string, string>>
  readonly query: Readonly<Record<string, string>>
  readonly protocol: 'http' | 'websocket'
  /** The dialects whose own endpoints this route serves; empty where it is matched by path. */
  readonly api: readonly ClientDialect[]
  readonly when: Expression | undefined
}

/** One route: what it matches, what runs, where it goes. */
export interface RouteConfig {
  readonly id: string
  readonly position: Position
  readonly match: MatchConfig
  /** Set where the route names a dialect; else it follows from the endpoint, and is `http` for others. */
  readonly dialect: ClientDialect | undefined
  readonly steps: readonly StepConfig[]
  /** Evaluates to an upstream's name; undefined where steps answer by themselves. */
  readonly upstream: Expression | undefined
  /** The names that it can evaluate to; all upstreams where that is computed. */
  readonly upstreams: readonly string[]
  /** Taken off the path before it goes upstream. */
  readonly stripPrefix: string
  readonly timeoutMs: number | undefined
  readonly bodyBytes: number
  /** A body on GET, HEAD and DELETE is passed on rather than refused. */
  readonly allowBody: boolean
  /** Fields that an upstream of another dialect cannot be told are refused rather than dropped. */
  readonly strict: boolean
  /** Allowed WebSocket origins; empty means any. */
  readonly origins: readonly string[]
  readonly fingerprint: string
}

/** One configured use of a plugin. */
export interface StepConfig {
  readonly plugin: Plugin
  /** The operator's `id`, or the plugin's name. */
  readonly id: string
  /** Where it was written: `pipelines.edge[1]`. */
  readonly place: string
  readonly position: Position
  /** Whether the step came by `use`, and whether an `override` changed it: for `explain`. */
  readonly origin: { readonly use: readonly string[]; readonly override: Position | undefined }
  readonly isEnabled: boolean
  readonly when: Expression | undefined
  readonly onError: 'open' | 'closed'
  /** What `setup` gets. Frozen. */
  readonly options: unknown
  readonly reads: ReadonlySet<Part>
  readonly writes: ReadonlySet<Part>
  /** Two steps with the same identity and fingerprint are one live object, across routes and reloads. */
  readonly identity: string
  readonly fingerprint: string
}

/** A plugin of somebody else's, as the config names it. */
export interface PluginSource {
  readonly name: string
  /** `npm:NAME`, or a path as seen from the config file. */
  readonly from: string
  readonly trust: 'sandboxed' | 'full'
  readonly allow: readonly ('store' | 'fetch')[]
  /** Of one call of a sandboxed one. */
  readonly timeoutMs: number
  readonly memoryBytes: number
  /** After how many failures in a row a sandboxed one is switched off, and for how long. */
  readonly breaker: { readonly failures: number; readonly pauseMs: number }
  /** The folder that `from` is seen from. */
  readonly folder: string
}

/** How the loader finds plugins. First-party ones are always known; `load` is called for those that are used. */
export interface PluginCatalog {
  readonly names: readonly string[]
  load(name: string): Promise<Plugin>
  /** Loads a third-party plugin; absent where there is no way to. Rejects with the reason. */
  loadFrom?(source: PluginSource): Promise<Plugin>
}
