/** Processes of one installation on loopback, over one PostgreSQL and one Redis: gateways that can be restarted, and one for the rest. */
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import type { Cleanup } from '../support/cleanup.ts'
import { freePort } from '../support/free-port.ts'
import { makeTestDatabase } from '../support/postgres.ts'
import { environmentOf } from '../support/postgres-place.ts'
import { type StartedProcess, startProcess } from '../support/start-process.ts'
import { makeTempFolder } from '../support/temp-folder.ts'

const BIN = path.resolve(import.meta.dirname, '../../bin/aidos.js')

export interface Member {
  readonly port: number
  readonly url: string
  /** Ends in an orderly way and comes back on the same port. */
  restart(): Promise<void>
}

export interface Fleet {
  readonly gateways: readonly Member[]
  /** The owner's key. */
  readonly key: string
}

export interface FleetOptions {
  readonly gateways: number
  readonly redisPort: number
  readonly env?: Readonly<Record<string, string>>
}

const startMember = async (t: Cleanup, env: Record<string, string>): Promise<Member> => {
  const port = await freePort()
  let process: StartedProcess | undefined
  const start = async (): Promise<void> => {
    process = await startProcess(t, { args: [BIN, 'start'], env: { ...env, PORT: String(port) } })
    await process.waitFor('AIDOS runs')
  }
  await start()
  return {
    port,
    url: `http://127.0.0.1:${port}`,
    async restart() {
      process?.kill('SIGTERM')
      const { code } = (await process?.exited) ?? { code: null }
      if (code !== 0) throw new Error(`a gateway ended with ${code}:\n${process?.output()}`)
      await start()
    },
  }
}

export const startFleet = async (
  t: Cleanup,
  { gateways: count, redisPort, env = {} }: FleetOptions,
): Promise<Fleet> => {
  const database = await makeTestDatabase()
  t.after(() => database.drop())
  const common = {
    ...environmentOf(database.url),
    DB_POOL_MIN: '0',
    DB_POOL_MAX: '10',
    REDIS_MODE: 'single',
    REDIS_HOST: '127.0.0.1',
    REDIS_PORT: String(redisPort),
    LOG_LEVEL: 'warn',
    ...env,
  }
  const member = async (roles: string) => {
    const folder = await makeTempFolder(t)
    return { folder, member: await startMember(t, { ...common, AIDOS_ROLES: roles, AIDOS_DATA_DIR: folder }) }
  }
  const first = await member('gateway')
  const { key } = JSON.parse(await readFile(path.join(first.folder, 'credentials.json'), 'utf8')) as { key: string }
  const others = await Promise.all([
    member('agents,workflows,scheduler,executor,skills,notifications'),
    ...Array.from({ length: count - 1 }, () => member('gateway')),
  ])
  return { key, gateways: [first.member, ...others.slice(1).map((other) => other.member)] }
}
