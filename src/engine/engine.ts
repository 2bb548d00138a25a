/** The durable engine: which runs live here, how they are born, woken, told and let go. */
import type { Clock } from '../platform/clock.ts'
import type { Database } from '../platform/db/database.ts'
import { isUniqueViolation } from '../platform/db/errors.ts'
import type { NewEvent } from '../platform/events/event.ts'
import type { MakeId } from '../platform/ids.ts'
import type { Json } from '../platform/json.ts'
import type { Log } from '../platform/log.ts'
import { type Admission, makeAdmission } from '../platform/queue/admission.ts'
import type { Consumer, Job, Partition, Priority, Queue } from '../platform/queue/queue.ts'
import type { RunCommand } from './command.ts'
import { engineErrors, toErrorRecord } from './errors.ts'
import { type LiveRun, makeLiveRun } from './live-run.ts'
import type { LiveRunEnv } from './live-run-env.ts'
import type { ProgramSource } from './program.ts'
import type { RunHistory } from './replay.ts'
import { makeRunRepository, type RunRepository } from './repository.ts'
import {
  claimRun,
  endRun,
  insertRun,
  insertSignal,
  leaveNews,
  releaseRun,
  requestCancel,
  requeueRun,
  setRunWake,
  updateRun,
} from './rows.ts'
import { makeSweeper } from './sweeper.ts'
import type { RunInbox, TaskPort } from './task-port.ts'
import { isFinal, type Run, type RunKind, type WorkflowFunction } from './types.ts'
import type { Workers } from './workers.ts'

export interface EngineOptions {
  readonly db: Database
  readonly queue: Queue
  readonly clock: Clock
  readonly makeId: MakeId
  readonly log: Log
  readonly workerId: string
  readonly workers: Workers
  readonly programs: ProgramSource
  readonly tasks: TaskPort
  readonly payloadLimitBytes: number
  readonly liveMax: number
  readonly windowSize: number
}

export interface NewRun {
  readonly tenantId: string
  readonly projectId: string | null
  readonly kind: RunKind
  readonly target: string
  readonly version?: number | undefined
  readonly input: Json
  readonly priority: Priority
  readonly timeoutMs?: number | undefined
  /** A second run with the same key of the same tenant is not started: the first is returned. */
  readonly idempotencyKey?: string | undefined
  /** Who started it, for the timeline. */
  readonly by?: string | undefined
}

export interface Engine {
  readonly runs: RunRepository
  readonly inbox: RunInbox
  /** Resolves after the commit. */
  create(request: NewRun): Promise<{ run: Run; isNew: boolean }>
  /** Sends a signal; it is kept until the run asks for it. */
  signal(tenantId: string, runId: string, name: string, payload: Json): Promise<void>
  /** Asks the run to end: what it waits for is called off and its function may clean up. A second request ends it at once. */
  cancel(tenantId: string, runId: string): Promise<Run>
  /** Continues a stopped run. */
  continue(tenantId: string, runId: string): Promise<Run>
  /** The run when it has ended or stopped, or as it is after `timeoutMs`. */
  wait(tenantId: string, runId: string, timeoutMs: number): Promise<Run>
  /** Runs that stopped for want of their code go on. */
  programLoaded(kind: RunKind, target: string): Promise<void>
  start(): Promise<void>
  /** Lets steps under way finish for at most `graceMs`. */
  stop(graceMs: number): Promise<void>
  readonly stats: { readonly live: number; readonly idle: number }
}

const PARTITION_OF: Readonly<Record<RunKind, Partition>> = { workflow: 'workflow', agent: 'agents' }

export const makeEngine = (options: EngineOptions): Engine => {
  const { db, queue, clock, makeId, log, workerId, workers, programs, tasks } = options
  const runs = makeRunRepository(db.primary)
  const live = new Map<string, LiveRun>()
  const idle = new Set<string>()
  const loading = new Set<string>()
  /** Runs that something was left for while they were being loaded: what was read may be too old. */
  const missed = new Set<string>()
  /** Places of the consumers taken by runs at work. */
  const places = new Map<string, () => void>()
  const waiters = new Map<string, Set<(run: Run) => void>>()
  const consumers = new Map<RunKind, Consumer>()
  let isStopping = false

  const jobOf = (run: Run): Job => ({
    id: run.id,
    partition: PARTITION_OF[run.kind],
    tenantId: run.tenantId,
    priority: run.priority,
  })

  const eventOf = (run: Run, type: string, data: NewEvent['data'] = {}): NewEvent => ({
    tenantId: run.tenantId,
    projectId: run.projectId,
    runId: run.id,
    taskId: null,
    type,
    data,
    atMs: clock.now(),
  })

  const report = (what: string, error: unknown, facts: Record<string, unknown> = {}): void =>
    log.error({ err: error, ...facts }, what)

  const admissions = new Map<RunKind, Admission>(
    (['workflow', 'agent'] as const).map((kind) => [
      kind,
      makeAdmission({
        queue,
        partition: PARTITION_OF[kind],
        windowSize: options.windowSize,
        readBacklog: async (_, limit, inside) => {
          const rows = await runs.queued(kind, limit + inside.size)
          return rows
            .filter((run) => !inside.has(run.id))
            .slice(0, limit)
            .map(jobOf)
        },
        onError: (error) => report('the backlog of runs could not be queued', error),
      }),
    ]),
  )
  const offer = (run: Run): void => admissions.get(run.kind)?.offer(jobOf(run))

  // ---- runs in memory -----------------------------------------------------------------------------------------------------------

  const givePlaceBack = (runId: string): void => {
    places.get(runId)?.()
    places.delete(runId)
  }

  const forget = (runId: string): void => {
    live.delete(runId)
    idle.delete(runId)
    givePlaceBack(runId)
  }

  /** Keeps memory bounded: the run that has waited longest is let go; its row says when to wake it. */
  const evict = (): void => {
    for (const runId of idle) {
      if (live.size <= options.liveMax) return
      const run = live.get(runId)
      if (!run) continue
      run.drop()
      forget(runId)
      const guards = [{ table: 'runs' as const, id: runId, fence: run.run.fence }]
      db.commit({ guards, writes: [releaseRun(runId)] })
        .then(() => sweeper.soon())
        .catch((error: unknown) => report('a run could not be released', error, { runId }))
    }
  }

  const env: LiveRunEnv = {
    clock,
    tasks,
    payloadLimitBytes: options.payloadLimitBytes,
    commit: db.commit,
    planChild: (parent, command) => planChild(parent, command),
    childBorn: (child) => born(child),
    childAbandoned: (child) => givePlaceBack(child.id),
    nudge: (runId) => {
      const child = live.get(runId)
      if (child) child.cancelRequested()
      else wakeRow(runId)
    },
    ended(run) {
      forget(run.id)
      for (const tell of waiters.get(run.id) ?? []) tell(run)
      waiters.delete(run.id)
      const parent = run.parentRunId === null || !isFinal(run.status) ? undefined : live.get(run.parentRunId)
      if (parent) parent.childEnded(run)
      else if (run.parentRunId !== null && isFinal(run.status)) wakeRow(run.parentRunId)
    },
    idle(runId, isIdle) {
      idle.delete(runId)
      if (!isIdle) return
      idle.add(runId)
      givePlaceBack(runId)
      evict()
    },
    lost(run, error) {
      if (live.get(run.id)?.run.fence === run.fence) forget(run.id)
      log.warn({ err: error, runId: run.id }, 'a run lost its owner or its database; it is rebuilt from its journal')
      clock.after(LOST_RETRY_MS, () => wakeRow(run.id))
    },
  }

  const begin = (run: Run, program: WorkflowFunction, history?: RunHistory): void => {
    const made = makeLiveRun(run, program, history, env)
    live.set(run.id, made)
    made.start()
  }

  /** The end of loading a run: it is in memory now, or somebody else's. */
  const loaded = (runId: string): void => {
    loading.delete(runId)
    if (!missed.delete(runId)) return
    live.get(runId)?.drop()
    forget(runId)
    wakeRow(runId)
  }

  /** Starts a run that was born in this process with a place of its own. */
  const born = (run: Run): void => {
    if (run.status !== 'running') {
      offer(run)
      return
    }
    loading.add(run.id)
    programs
      .load(run)
      .then((program) => (program ? begin(run, program) : stopRun(run)))
      .catch((error: unknown) => env.lost(run, error))
      .finally(() => loaded(run.id))
  }

  const stopRun = async (run: Run): Promise<void> => {
    const name = `${run.kind} "${run.target}" version ${run.version}`
    const error = toErrorRecord(
      engineErrors.program_not_loaded(
        `the code of the ${name} is not loaded; start AIDOS with --load for its folder, and the run goes on`,
      ),
    )
    const state = {
      status: 'stopped',
      waitingFor: null,
      output: null,
      error,
      workerId: null,
      finishedAtMs: null,
    } as const
    const events = [eventOf(run, 'run.stopped', { error: error as unknown as Json })]
    try {
      await db.commit({
        guards: [{ table: 'runs', id: run.id, fence: run.fence }],
        writes: [updateRun(run.id, state)],
        events,
      })
      env.ended({ ...run, ...state })
    } catch (failure) {
      env.lost(run, failure)
    }
  }

  const readHistory = async (runId: string): Promise<{ run: Run; history: RunHistory }> => {
    for (;;) {
      const before = await runs.byId(runId)
      const [journal, ofRun, children, signals] = await Promise.all([
        runs.journal(runId),
        tasks.ofRun(runId),
        runs.children(runId),
        runs.signals(runId),
      ])
      const run = await runs.byId(runId)
      // News that came in between may be in the lists or not: read again until nothing moved.
      if (run && before?.news === run.news) return { run, history: { journal, tasks: ofRun, children, signals } }
    }
  }

  /** Takes a queued run and brings it to life; `taken` is called when it is not queued any more. Resolves when it gives its place back. */
  const activate = async (runId: string, taken: () => void): Promise<void> => {
    if (live.has(runId) || loading.has(runId) || isStopping) {
      taken()
      return
    }
    loading.add(runId)
    try {
      const queued = await runs.byId(runId)
      if (queued?.status !== 'queued') return
      const guards = [{ table: 'runs' as const, id: runId, fence: queued.fence }]
      await db.commit({ guards, writes: [claimRun(queued, workerId, clock.now())] })
      taken()
      const { run, history } = await readHistory(runId)
      const program = await programs.load(run)
      if (!program) return stopRun(run)
      begin(run, program, queued.startedAtMs === null && run.cancelRequestedAtMs === null ? undefined : history)
    } catch (error) {
      if ((error as { code?: string }).code === 'stale_write') return
      report('a run could not be started', error, { runId })
      clock.after(LOST_RETRY_MS, () => wakeRow(runId))
      return
    } finally {
      taken()
      loaded(runId)
    }
    if (live.get(runId)?.isIdle === false) await new Promise<void>((resolve) => places.set(runId, resolve))
  }

  /** A run's row changed while the run is not in memory: it wants an owner. */
  const wakeRow = (runId: string): void => {
    const wake = async (): Promise<void> => {
      if (loading.has(runId)) missed.add(runId)
      if (loading.has(runId) || isStopping) return
      const run = await runs.byId(runId)
      if (!run || isFinal(run.status) || run.status === 'stopped' || loading.has(runId)) return
      const here = live.get(runId)
      if (here?.seenNews === run.news) return
      // News that were never pushed to it: it is read again.
      here?.drop()
      if (here) forget(runId)
      if (run.status !== 'queued') await requeue(run)
      offer(run)
    }
    wake().catch((error: unknown) => {
      if ((error as { code?: string }).code !== 'stale_write') report('a run could not be woken', error, { runId })
    })
  }

  const requeue = (run: Run): Promise<void> =>
    db.commit({
      guards: [{ table: 'runs', id: run.id, fence: run.fence }],
      writes: [requeueRun(run.id), setRunWake(run.id, run.news, null)],
    })

  // ---- birth ----------------------------------------------------------------------------------------------------------------------

  const makeRun = async (request: NewRun, parent?: { run: Run; key: string }): Promise<Run> => {
    const { tenantId, projectId, kind, target, input, priority } = request
    const { version } = await programs.locate({ tenantId, kind, target, version: request.version, input })
    const nowMs = clock.now()
    const id = makeId()
    const place = isStopping ? undefined : consumers.get(kind)?.reserve()
    if (place) places.set(id, place)
    const deadlineAtMs = request.timeoutMs === undefined ? null : nowMs + request.timeoutMs
    return {
      id,
      tenantId,
      projectId,
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
      workerId: place ? workerId : null,
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

  const planChild = (parent: Run, command: RunCommand): Promise<Run> =>
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
    )

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

  const create = async (request: NewRun): Promise<{ run: Run; isNew: boolean }> => {
    const { tenantId, idempotencyKey } = request
    const known = idempotencyKey && (await runs.findByIdempotencyKey(tenantId, idempotencyKey))
    if (known) return { run: same(known, request), isNew: false }
    const run = await makeRun(request)
    const { target, version } = run
    const data = { target, version, kind: run.kind, by: request.by }
    try {
      await db.commit({ writes: [insertRun(run)], events: [eventOf(run, 'run.created', data)] })
    } catch (error) {
      givePlaceBack(run.id)
      const winner =
        idempotencyKey && isUniqueViolation(error) && (await runs.findByIdempotencyKey(tenantId, idempotencyKey))
      if (!winner) throw error
      return { run: same(winner, request), isNew: false }
    }
    born(run)
    return { run, isNew: true }
  }

  // ---- what others ask of a run -----------------------------------------------------------------------------------------------------

  const find = async (tenantId: string, runId: string): Promise<Run> => {
    const run = await runs.find(tenantId, runId)
    if (!run) throw engineErrors.run_not_found(`there is no run ${runId}`)
    return run
  }

  const mustBeOpen = (run: Run): void => {
    if (isFinal(run.status)) throw engineErrors.run_finished(`the run ${run.id} has ended already: it is ${run.status}`)
  }

  const signal = async (tenantId: string, runId: string, name: string, payload: Json): Promise<void> => {
    const run = await find(tenantId, runId)
    mustBeOpen(run)
    const nowMs = clock.now()
    const row = {
      id: makeId(),
      tenant_id: tenantId,
      run_id: runId,
      name,
      payload: JSON.stringify(payload),
      created_at: nowMs,
    }
    await db.commit({
      writes: [insertSignal(row), leaveNews(runId, nowMs)],
      events: [eventOf(run, 'signal.sent', { signal: name })],
    })
    const here = live.get(runId)
    if (here) here.signalled(row)
    else if (run.status !== 'stopped') wakeRow(runId)
  }

  const endNow = async (run: Run): Promise<Run> => {
    live.get(run.id)?.drop()
    const error = toErrorRecord(engineErrors.run_cancelled('the run was cancelled'))
    const nowMs = clock.now()
    const guards = [{ table: 'runs' as const, id: run.id, fence: run.fence }]
    const writes = [endRun(run.id, 'cancelled', error, nowMs)]
    if (run.parentRunId) writes.push(leaveNews(run.parentRunId, nowMs))
    const open = (await tasks.ofRun(run.id)).filter((task) => task.outcome === undefined)
    const { tenantId, projectId, id: runId } = run
    const cancelled = tasks.planCancel(
      open.map((task) => ({ id: task.taskId, tenantId, projectId, runId, kind: task.kind })),
    )
    const events = [eventOf(run, 'run.cancelled', { error: error as unknown as Json }), ...cancelled.events]
    await db.commit({ guards, writes: [...writes, ...cancelled.writes], events })
    cancelled.dispatch()
    const ended: Run = { ...run, status: 'cancelled', waitingFor: null, error, workerId: null, finishedAtMs: nowMs }
    env.ended(ended)
    for (const child of await runs.children(run.id)) {
      if (isFinal(child.status)) continue
      await cancel(run.tenantId, child.id).catch((failure: unknown) => report('a child was not cancelled', failure))
    }
    return ended
  }

  const cancel = async (tenantId: string, runId: string): Promise<Run> => {
    const run = await find(tenantId, runId)
    mustBeOpen(run)
    const neverStarted = run.status === 'queued' && run.startedAtMs === null
    if (neverStarted || run.status === 'stopped' || run.cancelRequestedAtMs !== null) return endNow(run)
    const nowMs = clock.now()
    await db.commit({
      writes: [requestCancel(runId, nowMs), leaveNews(runId, nowMs)],
      events: [eventOf(run, 'run.cancel_requested')],
    })
    const here = live.get(runId)
    if (here) here.cancelRequested()
    else wakeRow(runId)
    return { ...run, cancelRequestedAtMs: nowMs }
  }

  const goOn = async (run: Run): Promise<void> => {
    await db.commit({
      guards: [{ table: 'runs', id: run.id, fence: run.fence }],
      writes: [requeueRun(run.id)],
      events: [eventOf(run, 'run.continued')],
    })
    offer(run)
  }

  const wait = async (tenantId: string, runId: string, timeoutMs: number): Promise<Run> => {
    const isHere = live.has(runId)
    const ended = new Promise<Run>((resolve) => {
      const set = waiters.get(runId) ?? new Set()
      waiters.set(runId, set.add(resolve))
    })
    if (!isHere) {
      const run = await find(tenantId, runId)
      if (isFinal(run.status) || run.status === 'stopped') return run
    }
    let cancelTimer = (): void => {}
    const timedOut = new Promise<undefined>((resolve) => {
      cancelTimer = clock.after(timeoutMs, () => resolve(undefined))
    })
    const run = await Promise.race([ended, timedOut])
    cancelTimer()
    if (run?.tenantId === tenantId) return run
    return find(tenantId, runId)
  }

  // ---- time and life ------------------------------------------------------------------------------------------------------------------

  const sweeper = makeSweeper({
    clock,
    nextAt: (nowMs) => runs.nextWakeAt(nowMs),
    onError: (error) => report('the sweep of due runs failed', error),
    async sweep(nowMs) {
      const due = await runs.due(nowMs, SWEEP_LIMIT)
      for (const run of due) {
        if (live.get(run.id)?.seenNews !== run.news) wakeRow(run.id)
      }
      await Promise.all([...admissions.values()].map((admission) => admission.refill()))
    },
  })

  const takeOver = async (): Promise<void> => {
    const dead = await workers.dead()
    const held = await runs.heldBy(dead)
    await Promise.all(
      held
        .filter((run) => run.status === 'running')
        .map((run) => requeue(run).catch((error: unknown) => report('a run could not be taken over', error))),
    )
  }

  const consume = (kind: RunKind): Consumer =>
    queue.consume({
      partition: PARTITION_OF[kind],
      concurrency: options.liveMax,
      handle: (job) => activate(job.id, () => admissions.get(kind)?.left(job)),
    })

  return {
    runs,
    create,
    signal,
    cancel,
    wait,
    inbox: {
      offer: (finished) => live.get(finished.runId)?.taskFinished(finished) ?? false,
      wake: wakeRow,
    },
    async continue(tenantId, runId) {
      const run = await find(tenantId, runId)
      if (run.status !== 'stopped') {
        throw engineErrors.run_not_stopped(`only a stopped run can be continued; the run ${runId} is ${run.status}`)
      }
      await goOn(run)
      return { ...run, status: 'queued', error: null }
    },
    async programLoaded(kind, target) {
      for (const run of await runs.stoppedFor(kind, target)) {
        if (run.error?.code === 'program_not_loaded') await goOn(run)
      }
    },
    async start() {
      await takeOver()
      for (const kind of ['workflow', 'agent'] as const) consumers.set(kind, consume(kind))
      await sweeper.start()
    },
    async stop(graceMs) {
      isStopping = true
      sweeper.stop()
      for (const consumer of consumers.values()) consumer.pause()
      let cancelTimer = (): void => {}
      const grace = new Promise<void>((resolve) => {
        cancelTimer = clock.after(graceMs, resolve)
      })
      await Promise.race([Promise.all([...live.values()].map((run) => run.quiesce())), grace])
      cancelTimer()
      for (const run of live.values()) run.drop()
      live.clear()
      for (const give of places.values()) give()
      places.clear()
      await Promise.all([...consumers.values()].map((consumer) => consumer.stop()))
    },
    get stats() {
      return { live: live.size, idle: idle.size }
    },
  }
}

const SWEEP_LIMIT = 500
const LOST_RETRY_MS = 200
