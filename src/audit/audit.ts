/**
 * Audits whatever a call changes, without any service knowing of it: a call carries its entry along (AsyncLocalStorage), and the first
 * write that tells an event takes the entry into its own transaction. So the entry and the change are there together or not at all.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import type { Clock } from '../platform/clock.ts'
import { type Database, decorateDatabase } from '../platform/db/database.ts'
import type { NewEvent } from '../platform/events/event.ts'
import { eventsWritten } from '../platform/events/write.ts'
import type { Principal } from '../platform/http/principal.ts'
import type { MakeId } from '../platform/ids.ts'
import { checkMayChange, type Owner } from '../platform/scope.ts'
import { type AuditFilter, auditWrite, makeAuditRepository } from './repository.ts'
import type { AuditEntry } from './types.ts'

/** A call as it is audited. */
export interface AuditedCall {
  /** Null while somebody signs in: the event then says who it was. */
  readonly principal: Principal | null
  readonly permission: string
  /** Of the route, where the events do not say. */
  readonly target: string | null
  readonly request: string
  readonly requestId: string | null
  readonly address: string | null
  readonly userAgent: string | null
}

interface Carried {
  readonly call: AuditedCall
  state: 'open' | 'writing' | 'written' | 'closed'
  /** Something was written that told no event. */
  hasWritten: boolean
}

/** Where events name what the routes address it by. */
const TARGETS = ['keyId', 'memberId', 'channelId', 'subscriptionId', 'scheduleId', 'name']

const targetOf = ({ data, runId, taskId }: NewEvent): string | null => {
  const named = TARGETS.map((field) => data[field]).find((value) => typeof value === 'string')
  return runId ?? taskId ?? (named as string | undefined) ?? null
}

type Actor = Pick<AuditEntry, 'tenantId' | 'projectId' | 'actorKind' | 'actorId' | 'actorName'>

const actorOf = (principal: Principal | null, event: NewEvent | undefined): Actor | undefined => {
  if (principal) {
    const { tenantId, projectId, kind: actorKind, keyId: actorId, name: actorName } = principal
    return { tenantId, projectId, actorKind, actorId, actorName }
  }
  const { memberId, email } = event?.data ?? {}
  if (!event || typeof memberId !== 'string') return undefined
  return { tenantId: event.tenantId, projectId: null, actorKind: 'member', actorId: memberId, actorName: String(email) }
}

/**
 * A key of a project changes things of that project alone. Here every change of every call passes, with events that say whose things it
 * changes, so that no service can forget to ask. Throws `shared_read_only`; nothing of the transaction remains.
 */
const checkWall = (principal: Principal | null, events: readonly NewEvent[]): void => {
  if (principal) for (const event of events) checkMayChange(principal, event)
}

export interface AuditOptions {
  readonly db: Database
  readonly clock: Clock
  readonly makeId: MakeId
}

export const makeAudit = ({ db, clock, makeId }: AuditOptions) => {
  const carried = new AsyncLocalStorage<Carried>()

  const toEntry = (
    { principal, permission, target, ...from }: AuditedCall,
    event: NewEvent | undefined,
    result: Pick<AuditEntry, 'outcome' | 'code'>,
  ): AuditEntry | undefined => {
    const actor = actorOf(principal, event)
    const action = event?.type ?? permission
    const what = { action, target: target ?? (event ? targetOf(event) : null) }
    return actor && { id: makeId(), ...actor, ...what, ...result, ...from, createdAtMs: clock.now() }
  }

  const done = { outcome: 'done', code: null } as const

  const watched = decorateDatabase(db, {
    async transaction(work) {
      const entry = carried.getStore()
      if (entry?.state !== 'open') return db.transaction(work)
      let isTaken = false
      try {
        const result = await db.transaction(async (tx) => {
          const result = await work(tx)
          const events = eventsWritten(tx)
          if (entry.state === 'open') checkWall(entry.call.principal, events)
          const [event] = events
          const made = event && entry.state === 'open' ? toEntry(entry.call, event, done) : undefined
          if (made) {
            isTaken = true
            entry.state = 'writing'
            await makeAuditRepository(tx).add(made)
          }
          return result
        })
        entry.hasWritten = true
        if (isTaken) entry.state = 'written'
        return result
      } catch (error) {
        if (isTaken) entry.state = 'open'
        throw error
      }
    },
    async commit(unit) {
      const entry = carried.getStore()
      if (entry?.state === 'open') checkWall(entry.call.principal, unit.events ?? [])
      const event = unit.events?.[0]
      const made = entry?.state === 'open' && event ? toEntry(entry.call, event, done) : undefined
      if (!entry || !made) return db.commit(unit)
      entry.state = 'writing'
      try {
        await db.commit({ ...unit, writes: [...unit.writes, auditWrite(made)] })
        entry.state = 'written'
      } catch (error) {
        entry.state = 'open'
        throw error
      }
    },
  })

  const write = async (entry: AuditEntry | undefined): Promise<void> => {
    if (entry) await db.transaction((tx) => makeAuditRepository(tx).add(entry))
  }

  return {
    /** For all services: the entry of the call under way goes with the first write that tells an event. */
    db: watched,

    /** Does the call's work. What goes on after it is not the call's any more. */
    async during<T>(call: AuditedCall, work: () => Promise<T>): Promise<T> {
      const entry: Carried = { call, state: 'open', hasWritten: false }
      try {
        const result = await carried.run(entry, work)
        const isMissing = entry.state === 'open' && entry.hasWritten
        entry.state = 'closed'
        if (isMissing) await write(toEntry(call, undefined, done))
        return result
      } catch (error) {
        const hasChanged = entry.state === 'written' || entry.hasWritten
        entry.state = 'closed'
        const code = String((error as { code?: unknown }).code ?? 'internal_error')
        if (hasChanged) await write(toEntry(call, undefined, { outcome: 'failed', code }))
        throw error
      }
    },

    /** A call that was refused for want of a permission. */
    denied: (call: AuditedCall, code: string): Promise<void> =>
      write(toEntry(call, undefined, { outcome: 'denied', code })),

    entries: (owner: Owner, filter: AuditFilter): Promise<AuditEntry[]> =>
      makeAuditRepository(db.primary).entries(owner, filter),
  }
}

export type Audit = ReturnType<typeof makeAudit>
