/** The durable engine: which runs live here, how they are born, woken, told and let go. */
import { LRUCache } from 'lru-cache'
import type { Bus } from '../platform/bus/bus.ts'
import type { Clock } from '../platform/clock.ts'
import type { Database } from '../platform/db/database.ts'
import { isStaleWrite, isUniqueViolation } from '../platform/db/errors.ts'
import type { NewEvent } from '../platform/events/event.ts'
import type { EventHub } from '../platform/events/hub.ts'
import type { MakeId } from '../platform/ids.ts'
import type { Json } from '../platform/json.ts'
import type { Log } from '../platform/log.ts'
import { makePartitionAdmission } from '../platform/queue/partition-admission.ts'
import type { Consumer, Job, Partition, Priority, Queue } from '../platform/queue/queue.ts'
import type { QueueRules } from '../platform/queue/rules.ts'
import type { Window } from '../platform/queue/window.ts'
import { checkMayChange, keyWithin, type Owner } from '../platform/scope.ts'
import type { RunCommand } from './command.ts'
import { engineErrors, toErrorRecord } from './errors.ts'
import type { ProgramSource } from './program.ts'
import { makeRunRepository, type RunRepository } from './repository.ts'
import { endRun, insertRun, insertSignal, leaveNews, requestCancel, requeueRun } from './rows.ts'
import { makeRunKeeper, runEvent } from './run-keeper.ts'
import { makeSweeper, type Sweeper } from './sweeper.ts'
import type { RunInbox, TaskPort } from './task-port.ts'
import { fenceOf } from './turn.ts'
import { isFinal, type Run, type RunKind } from './types.ts'
import type { Workers } from './workers.ts'

export interface EngineOptions {
  readonly db: Database
  readonly queue: Queue
  readonly window: Window
  readonly rules: QueueRules
  readonly bus: Bus
  readonly hub: EventHub
  readonly clock: Clock
  readonly makeId: MakeId
  readonly log: Log
  readonly workerId: string
  readonly workers: Workers
  readonly programs: ProgramSource
  readonly tasks: TaskPort
  readonly payloadLimitBytes: number
  readonly liveMax: number
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
  /** A second run with the same key of the same tenant and project is not started: the first is returned. */
  readonly idempotencyKey?: string | undefined
  /** Who started it, for the timeline. */
  readonly by?: string | undefined
  /** The trace of the request that asked for it, for the timeline. */
  readonly traceId?: string | undefined
}

export interface Engine {
  readonly runs: RunRepository
  readonly inbox: RunInbox
  /** Resolves after the commit. */
  create(request: NewRun): Promise<{ run: Run; isNew: boolean }>
  /** Sends a signal; it is kept until the run asks for it. Who sees a run but does not own it is refused, here and in the next two. */
  signal(owner: Owner, runId: string, name: string, payload: Json): Promise<void>
  /** Asks the run to end: what it waits for is called off and its function may clean up. A second request ends it at once. */
  cancel(owner: Owner, runId: string): Promise<Run>
  /** Continues a stopped run. */
  continue(owner: Owner, runId: string): Promise<Run>
  /** The run when it has ended or stopped, or as it is after `timeoutMs`. */
  wait(tenantId: string, runId: string, timeoutMs: number): Promise<Run>
  /** Runs that stopped for want of their code go on. */
  programLoaded(kind: RunKind, target: string): Promise<void>
  /** Takes the runs at work from processes that are dead. Rejects when one could not be taken: they are to be asked for again. */
  takeOver(workerIds: readonly string[]): Promise<void>
  /** Takes runs of those partitions, and carries them. */
  start(partitions?: readonly Partition[]): Promise<void>
  /** Wakes runs that fall due and are held by nobody, and keeps the queue filled. For one process at a time. */
  readonly sweeper: Pick<Sweeper, 'start' | 'stop'>
  /** Lets steps under way finish for at most `graceMs`. */
  stop(graceMs: number): Promise<void>
  /** Throws when runs, which were started, are not taken from the queue. */
  assertReady(): void
  readonly stats: { readonly live: number; readonly idle: number }
}

const RUN_PARTITIONS = ['workflow', 'agents'] as const
type RunPartition = (typeof RUN_PARTITIONS)[number]
const PARTITION_OF: Readonly<Record<RunKind, RunPartition>> = { workflow: 'workflow', agent: 'agents' }
const KIND_OF: Readonly<Record<RunPartition, RunKind>> = { workflow: 'workflow', agents: 'agent' }

export const makeEngine = (options: EngineOptions): Engine => {
  const { db, queue, rules, bus, hub, clock, makeId, log, workerId, programs, tasks } = options
  const runs = makeRunRepository(db.primary)
  const waiters = new Map<string, Set<(run: Run | undefined) => void>>()
  const consumers = new Map<RunKind, Consumer>()
  const ends: (() => void)[] = []
  let isStopping = false

  const jobOf = (run: Run): Job => ({
    id: run.id,
    partition: PARTITION_OF[run.kind],
    tenantId: run.tenantId,
    priority: run.priority,
  })

  const eventOf = (run: Run, type: string, data: NewEvent['data'] = {}): NewEvent =>
    runEvent(run, type, data, clock.now())

  const report = (what: string, error: unknown, facts: Record<string, unknown> = {}): void =>
    log.error({ err: error, ...facts }, what)

  const admissions = makePartitionAdmission({
    ...{ queue, window: options.window, rules, clock, workerId },
    partitions: RUN_PARTITIONS,
    source: (partition) => runs.backlog(KIND_OF[partition], partition),
    onError: (error, partition) => report('the backlog of runs could not be queued', error, { partition }),
  })
  bus.onGap(admissions.doubt)
  /** `isAsked`: somebody here may wait for its end. */
  const offer = (run: Run, isAsked = false): void =>
    admissions.offer(isAsked && bus.isShared ? { ...jobOf(run), replyTo: workerId } : jobOf(run))
  /** Who is to hear of the end of a run that was handed to this process. */
  const askers = new LRUCache<string, string>({ max: ASKERS_MAX })
  /** Runs made here for others to carry: whoever does tells us of the end. */
  const handedOn = new LRUCache<string, true>({ max: ASKERS_MAX })

  const keeper = makeRunKeeper({
    ...options,
    runs,
    planChild: (parent, command) => planChild(parent, command),
    offer,
    onEnded(run) {
      for (const tell of waiters.get(run.id) ?? []) tell(run)
      waiters.delete(run.id)
      const asker = askers.get(run.id)
      askers.delete(run.id)
      if (asker !== undefined && asker !== workerId) bus.send(asker, ENDED, run.id)
    },
    onReleased(wakeAtMs) {
      if (wakeAtMs !== null) sweeper.soon(wakeAtMs)
    },
  })

  // ---- birth ----------------------------------------------------------------------------------------------------------------------

  const makeRun = async (request: NewRun, parent?: { run: Run; key: string }): Promise<Run> => {
    const { tenantId, kind, target, input, priority } = request
    const { version, projectId: targets } = await programs.locate({
      ...{ tenantId, projectId: request.projectId, kind, target, version: request.version, input },
      parent: parent?.run,
    })
    const nowMs = clock.now()
    const id = makeId()
    const mayStart = !isStopping && rules.isFree(PARTITION_OF[kind], tenantId)
    const place = mayStart ? consumers.get(kind)?.reserve() : undefined
    if (place) keeper.holdPlace(id, place)
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
    const { tenantId } = request
    const idempotencyKey = request.idempotencyKey && keyWithin(request, request.idempotencyKey)
    const known = idempotencyKey && (await runs.findByIdempotencyKey(tenantId, idempotencyKey))
    if (known) return { run: same(known, request), isNew: false }
    const run = await makeRun({ ...request, idempotencyKey })
    const { target, version } = run
    const data = { target, version, kind: run.kind, by: request.by, traceId: request.traceId }
    try {
      await db.commit({ writes: [insertRun(run)], events: [eventOf(run, 'run.created', data)] })
    } catch (error) {
      keeper.givePlaceBack(run.id)
      const winner =
        idempotencyKey && isUniqueViolation(error) && (await runs.findByIdempotencyKey(tenantId, idempotencyKey))
      if (!winner) throw error
      return { run: same(winner, request), isNew: false }
    }
    if (run.status === 'running') keeper.born(run)
    else {
      handedOn.set(run.id, true)
      offer(run, true)
    }
    return { run, isNew: true }
  }

  // ---- what others ask of a run -----------------------------------------------------------------------------------------------------

  const find = async (owner: Owner, runId: string): Promise<Run> => {
    const run = await runs.find(owner, runId)
    if (!run) throw engineErrors.run_not_found(`there is no run ${runId}`)
    return run
  }
  const findToChange = async (owner: Owner, runId: string): Promise<Run> => {
    const run = await find(owner, runId)
    checkMayChange(owner, run)
    return run
  }

  const mustBeOpen = (run: Run): void => {
    if (isFinal(run.status)) throw engineErrors.run_finished(`the run ${run.id} has ended already: it is ${run.status}`)
  }

  const signal = async (owner: Owner, runId: string, name: string, payload: Json): Promise<void> => {
    const run = await findToChange(owner, runId)
    mustBeOpen(run)
    const nowMs = clock.now()
    const row = {
      id: makeId(),
      tenant_id: run.tenantId,
      run_id: runId,
      name,
      payload: JSON.stringify(payload),
      created_at: nowMs,
    }
    await db.commit({
      writes: [insertSignal(row), leaveNews(runId, nowMs)],
      events: [eventOf(run, 'signal.sent', { signal: name })],
    })
    if (run.status !== 'stopped') keeper.told(runId, (here) => here.signalled(row))
  }

  const endNow = async (run: Run): Promise<Run> => {
    const error = toErrorRecord(engineErrors.run_cancelled('the run was cancelled'))
    const nowMs = clock.now()
    const guards = [fenceOf(run)]
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
    keeper.ended(ended)
    // Whoever has it in memory is to let go of it.
    if (run.workerId !== null) keeper.wake(run.id, {}, run.workerId)
    for (const child of await runs.children(run.id)) {
      if (isFinal(child.status)) continue
      await cancel(run.tenantId, child.id).catch((failure: unknown) => report('a child was not cancelled', failure))
    }
    return ended
  }

  const cancel = async (owner: Owner, runId: string): Promise<Run> => {
    const run = await findToChange(owner, runId)
    mustBeOpen(run)
    const neverStarted = run.status === 'queued' && run.startedAtMs === null
    if (neverStarted || run.status === 'stopped' || run.cancelRequestedAtMs !== null) return endNow(run)
    const nowMs = clock.now()
    await db.commit({
      writes: [requestCancel(runId, nowMs), leaveNews(runId, nowMs)],
      events: [eventOf(run, 'run.cancel_requested')],
    })
    keeper.told(runId, (here) => here.cancelRequested())
    return { ...run, cancelRequestedAtMs: nowMs }
  }

  const goOn = async (run: Run): Promise<void> => {
    await db.commit({
      guards: [fenceOf(run)],
      writes: [requeueRun(run.id)],
      events: [eventOf(run, 'run.continued')],
    })
    offer(run)
  }

  const isOver = ({ status }: Run): boolean => isFinal(status) || status === 'stopped'

  /** Whoever was to tell of the end may have died. The returned function ends it. */
  const lookAgain = (tenantId: string, runId: string, found: () => void): (() => void) => {
    let disarm = (): void => {}
    const arm = (): void => {
      disarm = clock.after(LOOK_AGAIN_MS, () => {
        find(tenantId, runId).then(
          (run) => (isOver(run) ? found() : arm()),
          () => arm(),
        )
      })
    }
    arm()
    return () => disarm()
  }

  bus.on(ENDED, (runId) => {
    for (const tell of waiters.get(runId as string) ?? []) tell(undefined)
  })

  const wait = async (tenantId: string, runId: string, timeoutMs: number): Promise<Run> => {
    const { promise: ended, resolve: tell } = Promise.withResolvers<Run | undefined>()
    const listeners = waiters.get(runId) ?? new Set()
    waiters.set(runId, listeners.add(tell))
    const cancelTimer = clock.after(timeoutMs, () => tell(undefined))
    // It may end in another process.
    const isTold = !bus.isShared || handedOn.has(runId)
    const unsubscribe = isTold ? undefined : hub.subscribe({ runId }, ({ type }) => ENDS.has(type) && tell(undefined))
    const disarmLooks = bus.isShared ? lookAgain(tenantId, runId, () => tell(undefined)) : undefined
    try {
      if (!isTold) await hub.settled()
      if (!keeper.get(runId)) {
        const run = await find(tenantId, runId)
        if (isOver(run)) return run
      }
      const run = await ended
      return run?.tenantId === tenantId ? run : await find(tenantId, runId)
    } finally {
      cancelTimer()
      unsubscribe?.()
      disarmLooks?.()
      listeners.delete(tell)
      if (listeners.size === 0 && waiters.get(runId) === listeners) waiters.delete(runId)
    }
  }

  // ---- time and life ------------------------------------------------------------------------------------------------------------------

  /** Runs that this process holds by their rows, but not in memory: what brought them here went wrong in between. */
  let strays = new Set<string>()
  let disarmStrays = (): void => {}
  const wakeStrays = async (): Promise<void> => {
    const missing = (await runs.workingOf(workerId)).filter((runId) => !keeper.get(runId))
    // A run on its way into memory is missing for a moment: only one that is missing twice is a stray.
    for (const runId of missing) if (strays.has(runId)) keeper.wake(runId)
    strays = new Set(missing)
  }
  const watchStrays = (): void => {
    disarmStrays = clock.after(STRAY_EVERY_MS, () => {
      wakeStrays()
        .catch((error: unknown) => report('the look at runs held here failed', error))
        .finally(() => {
          if (!isStopping) watchStrays()
        })
    })
  }

  const sweeper = makeSweeper({
    name: 'runs',
    bus,
    clock,
    slowMs: SLOW_MS,
    nextAt: (nowMs) => runs.nextWakeAt(nowMs),
    onError: (error) => report('the sweep of due runs failed', error),
    async sweep(nowMs) {
      const due = await runs.due(nowMs, HELD_GRACE_MS, SWEEP_LIMIT)
      const unheard = due.filter((run) => (keeper.get(run.id)?.seenNews ?? -1) < run.news)
      for (const run of unheard) keeper.wake(run.id)
      if (due.length === SWEEP_LIMIT && unheard.length > 0) sweeper.soon()
      await admissions.look()
    },
  })

  const takeOver = async (workerIds: readonly string[]): Promise<void> => {
    const held = await runs.heldBy(workerIds)
    const take = async (run: Run): Promise<void> => {
      try {
        await keeper.requeue(run)
      } catch (error) {
        // Somebody else was quicker. Any other failure goes to the caller, who is not to forget the dead: nobody else looks after this run.
        if (isStaleWrite(error)) return
        throw error
      }
      // Should the queue be away, the job is given again when its lock runs out.
      await queue
        .release(PARTITION_OF[run.kind], [run.id])
        .catch((error: unknown) => report('a job was not released', error))
      offer(run)
    }
    // Those that wait are left alone: whoever wakes them takes them.
    const working = held.filter((run) => run.status === 'running')
    const taken = await Promise.allSettled(working.map(take))
    for (const each of taken) if (each.status === 'rejected') throw each.reason
  }

  const consume = (kind: RunKind): Consumer =>
    queue.consume({
      partition: PARTITION_OF[kind],
      concurrency: options.liveMax,
      // A paused one stays queued in the database.
      handle: (job) => {
        if (job.replyTo !== undefined) askers.set(job.id, job.replyTo)
        return (rules.isPaused(job.partition, job.tenantId) ? Promise.resolve() : keeper.activate(job.id)).finally(() =>
          admissions.of(PARTITION_OF[kind]).left(job),
        )
      },
    })

  return {
    runs,
    create,
    signal,
    cancel,
    wait,
    inbox: {
      offer: (finished) => keeper.get(finished.runId)?.taskFinished(finished) ?? false,
      wake: (runId, { taskId, holder } = {}) => keeper.wake(runId, { taskId }, holder),
    },
    async continue(owner, runId) {
      const run = await findToChange(owner, runId)
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
    takeOver,
    async start(partitions = RUN_PARTITIONS) {
      for (const kind of RUN_PARTITIONS.filter((name) => partitions.includes(name)).map((name) => KIND_OF[name])) {
        consumers.set(kind, consume(kind))
        ends.push(admissions.of(PARTITION_OF[kind]).serve(options.liveMax))
      }
      watchStrays()
    },
    sweeper,
    async stop(graceMs) {
      isStopping = true
      disarmStrays()
      for (const end of ends.splice(0)) end()
      for (const consumer of consumers.values()) consumer.pause()
      let cancelTimer = (): void => {}
      const grace = new Promise<void>((resolve) => {
        cancelTimer = clock.after(graceMs, resolve)
      })
      await keeper.stop(grace)
      cancelTimer()
      await Promise.all([...consumers.values()].map((consumer) => consumer.stop()))
    },
    assertReady() {
      for (const [kind, consumer] of consumers) {
        if (!consumer.isReady()) throw new Error(`no runs of kind "${kind}" are taken from the queue at present`)
      }
    },
    get stats() {
      return keeper.stats
    },
  }
}

const SWEEP_LIMIT = 500
/** Whoever holds a run that is late by this has not heard, or is gone. */
const HELD_GRACE_MS = 2000
/** Events after which nobody need wait for a run any more. */
const ENDS: ReadonlySet<string> = new Set([
  'run.completed',
  'run.failed',
  'run.cancelled',
  'run.timed_out',
  'run.stopped',
])
/** Runs whose end somebody elsewhere may wait for. */
const ASKERS_MAX = 10_000
const ENDED = 'run:ended'
/** The end of a run that nobody told of is found so late at most. */
const LOOK_AGAIN_MS = 2000
const STRAY_EVERY_MS = 10_000
/** A wake-up that was lost is found so late at most, besides the grace. */
const SLOW_MS = 5000
