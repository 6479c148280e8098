import { CONNECT_MS, makeClient, within, type Client } from './client.ts'
import { Unfit } from './failure.ts'
import type { Server } from './location.ts'
import { findMaster } from './sentinel.ts'

/** What the caller does with it. */
export interface ConnectEvents {
  prepare(client: Client): Promise<void>
  lost(client: Client, cause: unknown): void
}

/** What `HELLO` tells of a server (https://redis.io/docs/latest/commands/hello/). */
interface Hello {
  readonly mode: string
  readonly role: string
}

/** Makes a connection that is ready for use. Rejects with what went wrong; nothing is left behind then. */
export async function connect(server: Server, events: ConnectEvents): Promise<Client> {
  const address =
    server.sentinelName === undefined ? server.addresses[0]! : await findMaster(server)
  const { username, password, database } = server
  const client = makeClient(address, { isTls: server.isTls, username, password, database })
  return within(CONNECT_MS, client, address, async () => {
    let isReady = false
    client.on('error', (cause: unknown) => {
      if (isReady) events.lost(client, cause)
    })
    await client.connect()
    checkFitness((await client.sendCommand(['HELLO'])) as unknown as Hello)
    await events.prepare(client)
    // Not all that was prepared minds whether it was answered.
    if (!client.isReady) throw new Error('the connection was cut')
    isReady = true
    return client
  })
}

function checkFitness({ mode, role }: Hello): void {
  if (mode === 'cluster') {
    throw new Unfit('it is a cluster\n  hint: one server, or one behind sentinels, keeps a store')
  }
  if (role !== 'master') throw new Error('it is a replica')
}
