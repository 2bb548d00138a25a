/**
 * Keys, tokens and people that were not let in. Whose they are nobody knows, so the entries stand in the operator's log, and as anybody
 * can make them, they are few: so many of an address and so many of all, since the log is never emptied. Those beyond are only counted.
 */
import type { Clock } from '../platform/clock.ts'
import type { Database } from '../platform/db/database.ts'
import type { MakeId } from '../platform/ids.ts'
import { makeMemoryLimiter } from '../platform/limits/memory-limiter.ts'
import type { Log } from '../platform/log.ts'
import { makeAuditRepository } from './repository.ts'
import type { AuditEntry } from './types.ts'

export interface FailedSignIn extends Pick<AuditEntry, 'request' | 'requestId' | 'address' | 'userAgent'> {
  readonly by: 'key' | 'token' | 'person'
  /** Of the error. */
  readonly code: string
}

export interface FailedSignInsOptions {
  readonly db: Database
  readonly clock: Clock
  readonly makeId: MakeId
  readonly log: Pick<Log, 'error'>
  /** The tenant whose log has them; undefined while there is none. */
  readonly operatorId: () => string | undefined
}

const HOUR_MS = 3_600_000
const OF_AN_ADDRESS = { limit: 10, windowMs: HOUR_MS }
const OF_ALL = { limit: 200, windowMs: HOUR_MS }
const ADDRESSES = 5000

export const makeFailedSignIns = ({ db, clock, makeId, log, operatorId }: FailedSignInsOptions) => {
  const limiter = makeMemoryLimiter({ clock, maxKeys: ADDRESSES })
  const isAllowed = async (key: string, policy: typeof OF_ALL): Promise<boolean> =>
    (await limiter.take(key, policy)).isAllowed
  const counted = { written: 0, passed_over: 0 }

  return {
    /** Since the start of this process. */
    counted: counted as Readonly<Record<'written' | 'passed_over', number>>,

    /** Never fails: who is refused is refused, whether that can be written or not. */
    async add({ by, code, ...from }: FailedSignIn): Promise<void> {
      const tenantId = operatorId()
      const address = from.address ?? 'unknown'
      if (!tenantId || !(await isAllowed(`of ${address}`, OF_AN_ADDRESS)) || !(await isAllowed('all', OF_ALL))) {
        counted.passed_over++
        return
      }
      const who = { actorKind: 'nobody', actorId: address, actorName: by } as const
      const what = { action: 'sign_in.failed', target: null, outcome: 'denied', code } as const
      const entry = { id: makeId(), tenantId, projectId: null, ...who, ...what, ...from, createdAtMs: clock.now() }
      try {
        await db.transaction((tx) => makeAuditRepository(tx).add(entry))
        counted.written++
      } catch (error) {
        log.error({ err: error }, 'a failed sign-in could not be written to the audit log')
      }
    },
  }
}

export type FailedSignIns = ReturnType<typeof makeFailedSignIns>
