/** Reads and writes of schedules and their fires. */
import { countRowsBy } from '../platform/db/count.ts'
import type { Handle } from '../platform/db/database.ts'
import { olderThan } from '../platform/db/keyset.ts'
import type { CreatedCursor } from '../platform/http/page.ts'
import { type Owner, visibleTo } from '../platform/scope.ts'
import type { OpenFires } from './overlap.ts'
import { fromFire, fromSchedule, toFire, toSchedule } from './rows.ts'
import type { ScheduleTables } from './schema.ts'
import type { Fire, FireStatus, Schedule, ScheduleStatus } from './types.ts'

export interface ScheduleFilter {
  readonly status?: ScheduleStatus | undefined
  /** Keyset: rows older than this one. */
  readonly after?: CreatedCursor | undefined
  readonly limit: number
}

export interface FireFilter {
  readonly status?: FireStatus | undefined
  /** Keyset: fires planned before this time. */
  readonly beforeMs?: number | undefined
  readonly limit: number
}

/** `fire.wakeAtMs` is set while a fire is not over: the indexes of open fires are made of that. */
export const makeScheduleRepository = (handle: Handle) => {
  const db = handle.withTables<ScheduleTables>()
  const schedules = () => db.selectFrom('schedules').selectAll()
  const fires = () => db.selectFrom('schedule_fires').selectAll()

  return {
    async add(schedule: Schedule): Promise<void> {
      await db.insertInto('schedules').values(fromSchedule(schedule)).execute()
    },
    async byName(owner: Owner, name: string): Promise<Schedule | undefined> {
      const row = await schedules().where(visibleTo(owner)).where('name', '=', name).executeTakeFirst()
      return row && toSchedule(row)
    },
    /** For the scheduler itself, which has the id from a row of its own. */
    async byId(id: string): Promise<Schedule | undefined> {
      const row = await schedules().where('id', '=', id).executeTakeFirst()
      return row && toSchedule(row)
    },
    /** Newest first. */
    async list(owner: Owner, { status, after, limit }: ScheduleFilter): Promise<Schedule[]> {
      let query = schedules().where(visibleTo(owner))
      if (status) query = query.where('status', '=', status)
      if (after) query = query.where(olderThan(after))
      const rows = await query.orderBy('created_at', 'desc').orderBy('id', 'desc').limit(limit).execute()
      return rows.map(toSchedule)
    },

    /**
     * The schedule as it is now, held by this transaction until its end: whoever claims, settles or changes it waits here. Its revision has
     * grown by one. Undefined when it is deleted, or when its revision is not the one that is asked for.
     */
    async hold(id: string, revision?: number): Promise<Schedule | undefined> {
      let update = db
        .updateTable('schedules')
        .set((eb) => ({ revision: eb('revision', '+', 1) }))
        .where('id', '=', id)
      if (revision !== undefined) update = update.where('revision', '=', revision)
      const row = await update.returningAll().executeTakeFirst()
      return row && toSchedule(row)
    },
    /** Call it on a schedule that is held. */
    async update(schedule: Schedule): Promise<void> {
      const { id, tenant_id, created_at: _, ...row } = fromSchedule(schedule)
      await db.updateTable('schedules').set(row).where('tenant_id', '=', tenant_id).where('id', '=', id).execute()
    },
    /** Lets a schedule that cannot be claimed stand back for a while. */
    async postpone({ id, revision }: Schedule, untilMs: number): Promise<void> {
      const update = db.updateTable('schedules').set({ next_at: untilMs }).where('next_at', 'is not', null)
      await update.where('id', '=', id).where('revision', '=', revision).execute()
    },
    /** With its history. */
    async remove({ tenantId, id }: Schedule): Promise<void> {
      await db.deleteFrom('schedule_fires').where('tenant_id', '=', tenantId).where('schedule_id', '=', id).execute()
      await db.deleteFrom('schedules').where('tenant_id', '=', tenantId).where('id', '=', id).execute()
    },

    /** Adds a fire, or takes over a skipped one of the same time. False: that time has a fire already. */
    async addFire(fire: Fire): Promise<boolean> {
      const row = fromFire(fire)
      const { numInsertedOrUpdatedRows } = await db
        .insertInto('schedule_fires')
        .values(row)
        .onConflict((conflict) =>
          conflict
            .columns(['schedule_id', 'planned_at'])
            .doUpdateSet(row)
            .where('schedule_fires.status', '=', 'skipped' satisfies FireStatus),
        )
        .executeTakeFirst()
      return (numInsertedOrUpdatedRows ?? 0n) > 0n
    },
    /** Writes what `fire` has become, if it still is `from`; false: somebody was quicker. */
    async moveFire(from: FireStatus, fire: Fire): Promise<boolean> {
      const { schedule_id, planned_at, tenant_id, ...row } = fromFire(fire)
      const { numUpdatedRows } = await db
        .updateTable('schedule_fires')
        .set(row)
        .where('tenant_id', '=', tenant_id)
        .where('schedule_id', '=', schedule_id)
        .where('planned_at', '=', planned_at)
        .where('status', '=', from)
        .executeTakeFirst()
      return numUpdatedRows > 0n
    },
    async fire(scheduleId: string, plannedAtMs: number): Promise<Fire | undefined> {
      const query = fires().where('schedule_id', '=', scheduleId).where('planned_at', '=', plannedAtMs)
      const row = await query.executeTakeFirst()
      return row && toFire(row)
    },
    /** How much of the schedule still goes on; what a pause holds back stands in nobody's way. */
    async countOpen({ id, status }: Pick<Schedule, 'id' | 'status'>): Promise<OpenFires> {
      let open = db.selectFrom('schedule_fires').where('schedule_id', '=', id).where('wake_at', 'is not', null)
      if (status === 'paused') {
        open = open.where((eb) => eb.or([eb('status', '!=', 'queued'), eb('cause', '!=', 'planned')]))
      }
      const { queued = 0, ...others } = await countRowsBy(open, 'status')
      return { queued, going: Object.values(others).reduce((sum, count) => sum + count, 0) }
    },
    /** Those that are not over, in the order of their times. */
    async openFires(scheduleId: string, status: 'due' | 'queued' | 'started', limit: number): Promise<Fire[]> {
      const query = fires().where('schedule_id', '=', scheduleId).where('wake_at', 'is not', null)
      const rows = await query.where('status', '=', status).orderBy('planned_at').limit(limit).execute()
      return rows.map(toFire)
    },
    /** The first in the queue; of a paused schedule, planned fires stay where they are. */
    async firstQueued({ id, status }: Schedule, reason?: string): Promise<Fire | undefined> {
      let query = fires().where('schedule_id', '=', id).where('wake_at', 'is not', null).where('status', '=', 'queued')
      if (status === 'paused') query = query.where('cause', '!=', 'planned')
      if (reason !== undefined) query = query.where('reason', '=', reason)
      const row = await query.orderBy('planned_at').limit(1).executeTakeFirst()
      return row && toFire(row)
    },
    /** Last planned first. */
    async listFires(tenantId: string, scheduleId: string, filter: FireFilter): Promise<Fire[]> {
      let query = fires().where('tenant_id', '=', tenantId).where('schedule_id', '=', scheduleId)
      if (filter.status) query = query.where('status', '=', filter.status)
      if (filter.beforeMs !== undefined) query = query.where('planned_at', '<', filter.beforeMs)
      return (await query.orderBy('planned_at', 'desc').limit(filter.limit).execute()).map(toFire)
    },

    async dueSchedules(nowMs: number, limit: number): Promise<Schedule[]> {
      const rows = await schedules().where('next_at', '<=', nowMs).orderBy('next_at').limit(limit).execute()
      return rows.map(toSchedule)
    },
    async wakingFires(nowMs: number, limit: number): Promise<Fire[]> {
      const rows = await fires().where('wake_at', '<=', nowMs).orderBy('wake_at').limit(limit).execute()
      return rows.map(toFire)
    },
    /** The same on a shared database: others leave them alone until then, however soon their taker dies. Each is taken by one. */
    async takeDueSchedules(nowMs: number, limit: number, untilMs: number): Promise<Schedule[]> {
      const due = db.selectFrom('schedules').select('id').where('next_at', '<=', nowMs).orderBy('next_at').limit(limit)
      const rows = await db
        .with(
          (cte) => cte('due').materialized(),
          () => due.forUpdate().skipLocked(),
        )
        .updateTable('schedules')
        .set({ next_at: untilMs })
        .where('id', 'in', (eb) => eb.selectFrom('due').select('due.id'))
        .returningAll()
        .execute()
      return rows.map(toSchedule).sort((a, b) => (a.nextPlannedMs ?? 0) - (b.nextPlannedMs ?? 0))
    },
    async takeWakingFires(nowMs: number, limit: number, untilMs: number): Promise<Fire[]> {
      const waking = db.selectFrom('schedule_fires').select(['schedule_id', 'planned_at']).where('wake_at', '<=', nowMs)
      const rows = await db
        .with(
          (cte) => cte('waking').materialized(),
          () => waking.orderBy('wake_at').limit(limit).forUpdate().skipLocked(),
        )
        .updateTable('schedule_fires')
        .from('waking')
        .set({ wake_at: untilMs })
        .whereRef('schedule_fires.schedule_id', '=', 'waking.schedule_id')
        .whereRef('schedule_fires.planned_at', '=', 'waking.planned_at')
        .returningAll('schedule_fires')
        .execute()
      return rows.map(toFire)
    },
    /** Removes fires that were over before then, and are still: one that was passed over may be fired after all. Returns how many. */
    async removeFires(overBeforeMs: number, limit: number): Promise<number> {
      const old = db.selectFrom('schedule_fires').select(['schedule_id', 'planned_at'])
      const batch = await old.where('finished_at', '<', overBeforeMs).orderBy('finished_at').limit(limit).execute()
      for (const { schedule_id, planned_at } of batch) {
        await db
          .deleteFrom('schedule_fires')
          .where('schedule_id', '=', schedule_id)
          .where('planned_at', '=', planned_at)
          .where('finished_at', '<', overBeforeMs)
          .execute()
      }
      return batch.length
    },
    /** Schedules that may have more fires than `keep`, in the order of their ids: each fire has changed the revision. */
    async withManyFires(afterId: string, keep: number, limit: number): Promise<Pick<Schedule, 'id' | 'tenantId'>[]> {
      const query = db.selectFrom('schedules').select(['id', 'tenant_id as tenantId']).where('id', '>', afterId)
      return query.where('revision', '>', keep).orderBy('id').limit(limit).execute()
    },
    /** Removes those fires of a schedule that are over, but for the newest `keep` of all. Returns how many. */
    async trimFires({ tenantId, id }: Pick<Schedule, 'id' | 'tenantId'>, keep: number, limit: number): Promise<number> {
      const mine = db.selectFrom('schedule_fires').select('planned_at').where('schedule_id', '=', id)
      const query = mine.where('tenant_id', '=', tenantId).orderBy('planned_at', 'desc')
      const newestToGo = await query.offset(keep).limit(1).executeTakeFirst()
      if (!newestToGo) return 0
      const over = mine.where('wake_at', 'is', null).where('planned_at', '<=', newestToGo.planned_at)
      const { numDeletedRows } = await db
        .deleteFrom('schedule_fires')
        .where('tenant_id', '=', tenantId)
        .where('schedule_id', '=', id)
        .where('planned_at', 'in', over.orderBy('planned_at').limit(limit))
        // Asked of the row itself, too: it may have changed since it was chosen.
        .where('wake_at', 'is', null)
        .executeTakeFirst()
      return Number(numDeletedRows)
    },
    /** When the schedule was due that nobody has claimed for longest. */
    async oldestDueMs(nowMs: number): Promise<number | undefined> {
      const query = db.selectFrom('schedules').select('next_at').where('next_at', '<=', nowMs)
      return (await query.orderBy('next_at').limit(1).executeTakeFirst())?.next_at ?? undefined
    },
    /** The first moment after `afterMs` at which a schedule is due or a fire is to be looked at. */
    async nextMoment(afterMs: number): Promise<number | undefined> {
      const [schedule, fire] = await Promise.all([
        db
          .selectFrom('schedules')
          .select('next_at as at')
          .where('next_at', '>', afterMs)
          .orderBy('next_at')
          .limit(1)
          .executeTakeFirst(),
        db
          .selectFrom('schedule_fires')
          .select('wake_at as at')
          .where('wake_at', '>', afterMs)
          .orderBy('wake_at')
          .limit(1)
          .executeTakeFirst(),
      ])
      const moments = [schedule?.at, fire?.at].filter((at) => typeof at === 'number')
      return moments.length > 0 ? Math.min(...moments) : undefined
    },
  }
}
