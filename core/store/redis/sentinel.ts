import { makeClient, within } from './client.ts'
import { reasonOf, Unfit } from './failure.ts'
import type { Address, Server } from './location.ts'

/** How long one sentinel may take. */
const ASK_MS = 1_000

/** The name of a master, as sentinels are asked for it, and where it is: `host port`; empty where it is unknown. */
type Answer = string

/**
 * The server that most of the sentinels name. All are asked at once, and as soon as half of them agree the others are
 * not waited for: one that is cut off goes on naming a server that is master no more.
 * (https://redis.io/docs/latest/develop/reference/sentinel-clients/)
 */
export async function findMaster(server: Server): Promise<Address> {
  const { addresses, sentinelName } = server
  const votes = new Map<Answer, number>()
  let problem = ''
  const asked = addresses.map(async (sentinel) => {
    try {
      const answer = await ask(sentinel, server)
      const count = (votes.get(answer) ?? 0) + 1
      votes.set(answer, count)
      // What is no majority yet is no result yet: it is looked at once all have answered.
      return count * 2 > addresses.length
    } catch (cause) {
      problem = reasonOf(cause)
      return false
    }
  })
  await firstTrue(asked)
  const [winner] = [...votes].sort(([, a], [, b]) => b - a)
  if (winner === undefined) throw new Error(`no sentinel answers: ${problem}`)
  const [host, port] = winner[0].split(' ')
  if (port === undefined) {
    throw new Unfit(`the sentinels know no ${JSON.stringify(sentinelName)}`)
  }
  return { host: host!, port: Number(port) }
}

/** Resolves once one is true, or all are false. */
async function firstTrue(all: readonly Promise<boolean>[]): Promise<void> {
  await new Promise<void>((resolve) => {
    for (const one of all) void one.then((isTrue) => isTrue && resolve())
    void Promise.all(all).then(() => resolve())
  })
}

async function ask(sentinel: Address, server: Server): Promise<Answer> {
  const { isTls, sentinelName, sentinelPassword } = server
  const client = makeClient(sentinel, { isTls, password: sentinelPassword })
  client.on('error', () => {})
  return within(ASK_MS, client, sentinel, async () => {
    await client.connect()
    const command = ['SENTINEL', 'GET-MASTER-ADDR-BY-NAME', sentinelName!]
    const reply = (await client.sendCommand(command)) as unknown as readonly string[] | null
    client.destroy()
    return reply?.join(' ') ?? ''
  })
}
