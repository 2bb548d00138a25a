/** Runs are cancelled: asked to end, or ended at once with all that they have under way. */
import type { Clock } from '../platform/clock.ts'
import type { Database } from '../platform/db/database.ts'
import { isStaleWrite } from '../platform/db/errors.ts'
import type { NewEvent } from '../platform/events/event.ts'
import type { Json } from '../platform/json.ts'
import type { Owner } from '../platform/scope.ts'
import { engineErrors, toErrorRecord } from './errors.ts'
import type { RunRepository } from './repository.ts'
import { endRun, leaveNews, requestCancel } from './rows.ts'
import type { RunKeeper } from './run-keeper.ts'
import type { PlannedCancel, TaskPort } from './task-port.ts'
import { fenceOf } from './turn.ts'
import { isFinal, type Run } from './types.ts'

export interface CancellingOptions {
  readonly db: Database
  readonly runs: RunRepository
  readonly clock: Clock
  readonly tasks: TaskPort
  readonly keeper: Pick<RunKeeper, 'told' | 'wake' | 'ended'>
  /** The run; throws when it does not exist, has ended, or is not the owner's to change. */
  findOpen(owner: Owner, runId: string): Promise<Run>
  eventOf(run: Run, type: string, data?: NewEvent['data']): NewEvent
  readonly onError: (what: string, error: unknown) => void
}

/** It has nobody who could ask its function, or its function was asked before. */
const endsAtOnce = ({ status, startedAtMs, cancelRequestedAtMs }: Run): boolean =>
  (status === 'queued' && startedAtMs === null) || status === 'stopped' || cancelRequestedAtMs !== null

/** Asks a run to end; a second request, or one to a run that nobody carries, ends it at once. */
export const makeCancel = (options: CancellingOptions): ((owner: Owner, runId: string) => Promise<Run>) => {
  const { db, runs, clock, tasks, keeper, eventOf, onError } = options

  const ask = async (run: Run): Promise<Run> => {
    const nowMs = clock.now()
    await db.commit({
      guards: [fenceOf(run)],
      writes: [requestCancel(run.id, nowMs), leaveNews(run.id, nowMs)],
      events: [eventOf(run, 'run.cancel_requested')],
    })
    keeper.told(run.id, (here) => here.cancelRequested())
    return { ...run, cancelRequestedAtMs: nowMs }
  }

  const planTasks = async ({ id: runId, tenantId, projectId }: Run): Promise<PlannedCancel | undefined> => {
    const open = (await tasks.ofRun(runId)).filter((task) => task.outcome === undefined)
    if (open.length === 0) return undefined
    return tasks.planCancel(open.map(({ taskId: id, kind }) => ({ id, tenantId, projectId, runId, kind })))
  }

  const openChildren = async (run: Run): Promise<Run[]> =>
    (await runs.children(run.id)).filter(({ status }) => !isFinal(status))

  /** What a turn has made since the run was read to be ended: from its end on it makes nothing more. */
  const cancelRest = async (run: Run): Promise<void> => {
    const planned = await planTasks(run)
    if (!planned) return
    await db.commit({ writes: planned.writes, events: planned.events })
    planned.dispatch()
  }

  const endNow = async (run: Run): Promise<Run> => {
    const error = toErrorRecord(engineErrors.run_cancelled('the run was cancelled'))
    const nowMs = clock.now()
    const planned = await planTasks(run)
    // With its own end: should this process die now, nobody else would ever ask them.
    const asked = (await openChildren(run)).filter((child) => child.cancelRequestedAtMs === null)
    await db.commit({
      guards: [fenceOf(run)],
      writes: [
        endRun(run.id, 'cancelled', error, nowMs),
        ...(run.parentRunId === null ? [] : [leaveNews(run.parentRunId, nowMs)]),
        ...asked.flatMap(({ id }) => [requestCancel(id, nowMs), leaveNews(id, nowMs)]),
        ...(planned?.writes ?? []),
      ],
      events: [
        eventOf(run, 'run.cancelled', { error: error as unknown as Json }),
        ...asked.map((child) => eventOf(child, 'run.cancel_requested')),
        ...(planned?.events ?? []),
      ],
    })
    planned?.dispatch()
    const ended: Run = { ...run, status: 'cancelled', waitingFor: null, error, workerId: null, finishedAtMs: nowMs }
    keeper.ended(ended)
    // Whoever has it in memory is to let go of it.
    if (run.workerId !== null) keeper.wake(run.id, {}, run.workerId)
    await cancelRest(run).catch((failure: unknown) => onError('a task was not cancelled', failure))
    const mayCleanUp = new Set(asked.filter((child) => !endsAtOnce(child)).map(({ id }) => id))
    for (const child of await openChildren(run)) {
      if (mayCleanUp.has(child.id)) keeper.told(child.id, (here) => here.cancelRequested())
      else
        await cancel(run.tenantId, child.id).catch((failure: unknown) => onError('a child was not cancelled', failure))
    }
    return ended
  }

  const cancel = async (owner: Owner, runId: string): Promise<Run> => {
    const run = await options.findOpen(owner, runId)
    try {
      return await (endsAtOnce(run) ? endNow(run) : ask(run))
    } catch (error) {
      // Somebody took it, stopped it or ended it since it was read.
      if (isStaleWrite(error)) return cancel(owner, runId)
      throw error
    }
  }

  return cancel
}
