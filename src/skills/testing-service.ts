/** A registry over a real database, sandbox and HTTP client, for the tests of skills. */
import { randomUUID } from 'node:crypto'
import { type FakeClock, makeFakeClock } from '../platform/clock.ts'
import type { Database } from '../platform/db/database.ts'
import { makeEventLog } from '../platform/events/log.ts'
import { makeIdGenerator } from '../platform/ids.ts'
import { makeOutbound } from '../platform/outbound/outbound.ts'
import type { RevealRequest } from '../secrets/index.ts'
import { makeBuiltinSkills } from './builtin/builtin.ts'
import { makeSandbox } from './sandbox/sandbox.ts'
import { makeSkillService, type SkillService } from './service.ts'
import type { FunctionDefinition, FunctionLimits } from './types.ts'

export interface TestSkills {
  readonly skills: SkillService
  /** Another process over the same database. */
  readonly elsewhere: SkillService
  readonly clock: FakeClock
  readonly tenantId: string
  /** The tenant's events: types and versions, in their order. */
  events(): Promise<string[]>
}

export const CACHE_MS = 5000

export interface Cleanup {
  after(stop: () => Promise<void>): void
}

export const makeTestSkills = (db: Database, cleanup: Cleanup): TestSkills => {
  const clock = makeFakeClock()
  const outbound = makeOutbound({ allow: ['127.0.0.1'], timeoutMs: 2000, maxResponseBytes: 10_000 })
  const sandbox = makeSandbox({ maxWorkers: 1, idleMs: 60_000 })
  cleanup.after(() => outbound.stop())
  cleanup.after(() => sandbox.stop())
  const options = {
    db,
    clock,
    makeId: makeIdGenerator(clock.now),
    sandbox,
    outbound,
    revealSecret: async ({ reference }: RevealRequest) => `${reference.prefix ?? ''}value-of-${reference.$secret}`,
    builtins: makeBuiltinSkills({ filesRoot: '/nowhere', outbound, clock }),
    maxOutputBytes: 1000,
    cacheMs: CACHE_MS,
    cacheMax: 10,
  }
  const tenantId = randomUUID()
  return {
    skills: makeSkillService(options),
    elsewhere: makeSkillService(options),
    clock,
    tenantId,
    async events() {
      const events = await makeEventLog(db).read({ tenantId, afterId: 0, limit: 100 })
      return events.map(({ type, data }) => `${type} ${String(data.name)} ${String(data.version)}`)
    },
  }
}

/** A definition with one tool, `run`, of this body. */
export const functionOf = (body: string, limits?: FunctionLimits): FunctionDefinition => ({
  source: `export const run = async (input) => { ${body} }`,
  tools: [{ name: 'run', description: 'Runs.' }],
  ...(limits && { limits }),
})
