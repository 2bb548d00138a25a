/** Runs are made: asked for from outside or by a parent. A run starts with its birth where a process has a place to spare. */
import type { Clock } from '../platform/clock.ts'
import type { Database } from '../platform/db/database.ts'
import { isUniqueViolation } from '../platform/db/errors.ts'
import type { MakeId } from '../platform/ids.ts'
import type { Json } from '../platform/json.ts'
import type { Place } from '../platform/queue/place.ts'
import type { Priority } from '../platform/queue/queue.ts'
import { keyWithin } from '../platform/scope.ts'
import type { RunCommand } from './command.ts'
import { engineErrors } from './errors.ts'
import type { ProgramSource } from './program.ts'
import type { RunRepository } from './repository.ts'
import { insertRun } from './rows.ts'
import { runEvent } from './run-keeper.ts'
import type { Run, RunKind } from './types.ts'

export interface NewRun {
  readonly tenantId: string
  readonly projectId: string | null
  readonly kind: RunKind
  readonly target: string
  readonly version?: number | undefined
  readonly input: Json
  readonly priority: Priority
  readonly timeoutMs?: number | undefined
  /** A second run with the same key of the same tenant and project is not started: the first is returned. */
  readonly idempotencyKey?: string | undefined
  /** Who started it, for the timeline. */
  readonly by?: string | undefined
  /** The trace of the request that asked for it, for the timeline. */
  readonly traceId?: string | undefined
}

export interface RunCreation {
  /** Resolves after the commit. */
  create(request: NewRun): Promise<{ run: Run; isNew: boolean }>
  /** The row of a child run, checked; throws when its target does not exist or the input does not fit. */
  planChild(parent: Run, command: RunCommand): Promise<Run>
  /** After the commit. */
  childBorn(child: Run): void
  /** There was no such commit. */
  childAbandoned(child: Run): void
}

export interface RunCreationOptions {
  readonly db: Database
  readonly runs: RunRepository
  readonly clock: Clock
  readonly makeId: MakeId
  readonly workerId: string
  readonly programs: ProgramSource
  /** A place for a run that starts at once. */
  reserve(kind: RunKind, tenantId: string): Place<Run> | undefined
  /** Another process is to carry a run that was made here for somebody who may wait for its end. */
  handedOn(runId: string): void
  /** A run found no place. `isAsked`: somebody here may wait for its end. */
  offer(run: Run, isAsked: boolean): void
}

export const makeRunCreation = (options: RunCreationOptions): RunCreation => {
  const { db, runs, clock, makeId, workerId, programs } = options
  /** For new runs that are not committed yet. */
  const places = new Map<string, Place<Run>>()

  const makeRun = async (request: NewRun, parent?: { run: Run; key: string }): Promise<Run> => {
    const { tenantId, kind, target, input, priority } = request
    const { version, projectId: targets } = await programs.locate({
      ...{ tenantId, projectId: request.projectId, kind, target, version: request.version, input },
      parent: parent?.run,
    })
    const nowMs = clock.now()
    const id = makeId()
    const place = options.reserve(kind, tenantId)
    if (place) places.set(id, place)
    const deadlineAtMs = request.timeoutMs === undefined ? null : nowMs + request.timeoutMs
    return {
      id,
      tenantId,
      projectId: request.projectId ?? targets,
      kind,
      target,
      version,
      status: place ? 'running' : 'queued',
      priority,
      input,
      output: null,
      error: null,
      waitingFor: null,
      parentRunId: parent?.run.id ?? null,
      parentKey: parent?.key ?? null,
      idempotencyKey: request.idempotencyKey ?? null,
      workerId: place?.workerId ?? null,
      fence: 0,
      news: 0,
      wakeAtMs: deadlineAtMs,
      deadlineAtMs,
      cancelRequestedAtMs: null,
      createdAtMs: nowMs,
      startedAtMs: place ? nowMs : null,
      finishedAtMs: null,
    }
  }

  const begin = (run: Run, isAsked: boolean): void => {
    const place = places.get(run.id)
    places.delete(run.id)
    if (isAsked && place?.workerId !== workerId) options.handedOn(run.id)
    if (place) place.start(run)
    else options.offer(run, isAsked)
  }

  const abandon = (run: Run): void => {
    places.get(run.id)?.giveBack()
    places.delete(run.id)
  }

  const same = (run: Run, request: NewRun): Run => {
    const isSame =
      run.kind === request.kind &&
      run.target === request.target &&
      JSON.stringify(run.input) === JSON.stringify(request.input)
    if (isSame) return run
    throw engineErrors.idempotency_conflict(
      `the idempotency key "${request.idempotencyKey}" belongs to the run ${run.id} of ${run.kind} "${run.target}" with another input; use a new key`,
    )
  }

  return {
    async create(request) {
      const { tenantId } = request
      const idempotencyKey = request.idempotencyKey && keyWithin(request, request.idempotencyKey)
      const known = idempotencyKey && (await runs.findByIdempotencyKey(tenantId, idempotencyKey))
      if (known) return { run: same(known, request), isNew: false }
      const run = await makeRun({ ...request, idempotencyKey })
      const { target, version } = run
      const data = { target, version, kind: run.kind, by: request.by, traceId: request.traceId }
      try {
        await db.commit({ writes: [insertRun(run)], events: [runEvent(run, 'run.created', data, clock.now())] })
      } catch (error) {
        abandon(run)
        const winner =
          idempotencyKey && isUniqueViolation(error) && (await runs.findByIdempotencyKey(tenantId, idempotencyKey))
        if (!winner) throw error
        return { run: same(winner, request), isNew: false }
      }
      begin(run, true)
      return { run, isNew: true }
    },
    childBorn: (child) => begin(child, false),
    childAbandoned: abandon,
    planChild: (parent, command) =>
      makeRun(
        {
          tenantId: parent.tenantId,
          projectId: parent.projectId,
          kind: command.runKind,
          target: command.target,
          version: command.version,
          input: command.input,
          priority: command.priority ?? parent.priority,
          timeoutMs: command.timeoutMs,
        },
        { run: parent, key: command.key },
      ),
  }
}
