import { createClient } from 'redis'
import type { Address } from './location.ts'

/** One connection. */
export type Client = ReturnType<typeof createClient>

/** How long a try to connect may take: name, connection, certificate and first words. */
export const CONNECT_MS = 1_000

/** A client that neither connects again by itself nor sets deadlines of its own. */
export function makeClient(
  { host, port }: Address,
  options: {
    readonly isTls: boolean
    readonly username?: string | undefined
    readonly password?: string | undefined
    readonly database?: number
  },
): Client {
  const { isTls, username, password, database = 0 } = options
  const socket = { host, port, connectTimeout: CONNECT_MS, reconnectStrategy: false as const }
  return createClient({
    socket: isTls ? { ...socket, tls: true } : socket,
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
    database,
    disableOfflineQueue: true,
    maintNotifications: 'disabled',
    commandOptions: { timeout: 0 },
    name: 'sluice',
  }) as unknown as Client
}

/** Runs the first words of a connection; where they fail or take too long, it is ended. */
export async function within<T>(
  ms: number,
  client: Client,
  { host, port }: Address,
  talk: () => Promise<T>,
): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const tooLate = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new Error(`${host}:${port} does not answer within ${ms} ms`)),
      ms,
    )
  })
  try {
    return await Promise.race([talk(), tooLate])
  } catch (cause) {
    if (client.isOpen) client.destroy()
    throw cause
  } finally {
    clearTimeout(timer)
  }
}
