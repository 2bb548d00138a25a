/** The durable engine: runs are made, taken from the queue, told what others ask of them, and found again when they were lost. */
import type { Bus } from '../platform/bus/bus.ts'
import type { Clock } from '../platform/clock.ts'
import type { Database } from '../platform/db/database.ts'
import { isStaleWrite } from '../platform/db/errors.ts'
import type { NewEvent } from '../platform/events/event.ts'
import type { EventHub } from '../platform/events/hub.ts'
import type { MakeId } from '../platform/ids.ts'
import type { Json } from '../platform/json.ts'
import type { Log } from '../platform/log.ts'
import { makeLentPlaces } from '../platform/queue/lent-places.ts'
import { makePartitionAdmission } from '../platform/queue/partition-admission.ts'
import type { Place } from '../platform/queue/place.ts'
import type { Consumer, Job, Partition, Queue } from '../platform/queue/queue.ts'
import type { QueueRules } from '../platform/queue/rules.ts'
import type { Window } from '../platform/queue/window.ts'
import { checkMayChange, type Owner } from '../platform/scope.ts'
import { makeStrayWatch } from '../platform/stray-watch.ts'
import { makeCancel } from './cancelling.ts'
import { engineErrors } from './errors.ts'
import { makeMissingCode } from './missing-code.ts'
import type { ProgramSource } from './program.ts'
import { makeRunRepository, type RunRepository } from './repository.ts'
import { insertSignal, leaveNews, requeueRun } from './rows.ts'
import { makeRunCreation, type RunCreation } from './run-creation.ts'
import { makeRunKeeper, runEvent } from './run-keeper.ts'
import { makeRunWaiters, type RunWaiters } from './run-waiters.ts'
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

export interface Engine extends Pick<RunCreation, 'create'>, Pick<RunWaiters, 'wait'> {
  readonly runs: RunRepository
  readonly inbox: RunInbox
  /** Sends a signal; it is kept until the run asks for it. Who sees a run but does not own it is refused, here and in the next two. */
  signal(owner: Owner, runId: string, name: string, payload: Json): Promise<void>
  /** Asks the run to end: what it waits for is called off and its function may clean up. A second request ends it at once. */
  cancel(owner: Owner, runId: string): Promise<Run>
  /** Continues a stopped run. */
  continue(owner: Owner, runId: string): Promise<Run>
  /** This process can carry runs of that version of a workflow: those that stopped for want of it go on. */
  programLoaded(workflow: string, version: number): Promise<void>
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
  const offer = (run: Run, isAsked = false): void =>
    admissions.offer(isAsked && bus.isShared ? { ...jobOf(run), replyTo: workerId } : jobOf(run))

  const find = async (owner: Owner, runId: string): Promise<Run> => {
    const run = await runs.find(owner, runId)
    if (!run) throw engineErrors.run_not_found(`there is no run ${runId}`)
    return run
  }

  const waiters = makeRunWaiters({ bus, hub, clock, workerId, find, isHere: (id) => keeper.get(id) !== undefined })
  const keeper = makeRunKeeper({
    ...options,
    runs,
    planChild: (parent, command) => creation.planChild(parent, command),
    childBorn: (child) => creation.childBorn(child),
    childAbandoned: (child) => creation.childAbandoned(child),
    offer,
    onEnded: waiters.ended,
    onTakenBack: (runId) => places.refuse(runId),
    onReleased(wakeAtMs) {
      if (wakeAtMs !== null) sweeper.soon(wakeAtMs)
    },
  })

  const places = makeLentPlaces<Run>({
    ...{ bus, clock, workerId, topic: 'runs', read: runs.byId },
    run(run, free, from) {
      waiters.askedBy(from, run.id)
      keeper.born(run, free)
    },
    orphaned(run) {
      keeper
        .requeue(run)
        .then(() => offer(run, true))
        .catch((error: unknown) => {
          if (!isStaleWrite(error)) report('a run whose process has ended was not queued', error, { runId: run.id })
        })
    },
    onDoubt: () => strays.soon(),
    // The watch for strays finds it again.
    onError: (error, runId) => report('a run could not be read', error, { runId }),
  })

  /** Here first. */
  const reserve = (kind: RunKind, tenantId: string): Place<Run> | undefined => {
    if (isStopping || !rules.isFree(PARTITION_OF[kind], tenantId)) return undefined
    const consumer = consumers.get(kind)
    if (!consumer) return places.take(PARTITION_OF[kind], tenantId)
    const giveBack = consumer.reserve()
    return giveBack && { workerId, giveBack, start: (run) => keeper.born(run, giveBack) }
  }

  const creation = makeRunCreation({
    ...{ db, runs, clock, makeId, workerId, programs, reserve, offer },
    handedOn: waiters.handedOn,
  })

  // ---- what others ask of a run -----------------------------------------------------------------------------------------------------

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

  const cancel = makeCancel({
    ...{ db, runs, clock, tasks, keeper, eventOf },
    async findOpen(owner, runId) {
      const run = await findToChange(owner, runId)
      mustBeOpen(run)
      return run
    },
    onError: report,
  })

  const goOn = async (run: Run): Promise<void> => {
    await db.commit({
      guards: [fenceOf(run)],
      writes: [requeueRun(run.id)],
      events: [eventOf(run, 'run.continued')],
    })
    offer(run)
  }

  // ---- time and life ------------------------------------------------------------------------------------------------------------------

  const strays = makeStrayWatch<string>({
    clock,
    everyMs: STRAYS_EVERY_MS,
    held: () => runs.workingOf(workerId),
    isKnown: (runId) => keeper.get(runId) !== undefined,
    keyOf: (runId) => runId,
    giveUp: (runId) => keeper.wake(runId),
    onError: (error) => report('the look at runs held here failed', error),
  })

  const missingCode = makeMissingCode({
    ...{ runs, bus, clock, goOn },
    onError: (error) => report('the look at runs that want their code failed', error),
  })

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
      onFull: () => places.full(PARTITION_OF[kind]),
      async handle(job) {
        if (job.replyTo !== undefined) waiters.askedBy(job.replyTo, job.id)
        let isOver = true
        try {
          // A paused one stays queued in the database.
          if (!rules.isPaused(job.partition, job.tenantId)) isOver = await keeper.activate(job.id)
        } finally {
          if (isOver) admissions.of(PARTITION_OF[kind]).left(job)
        }
      },
    })

  return {
    runs,
    create: creation.create,
    signal,
    cancel,
    wait: waiters.wait,
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
    programLoaded: missingCode.loaded,
    takeOver,
    async start(partitions = RUN_PARTITIONS) {
      for (const kind of RUN_PARTITIONS.filter((name) => partitions.includes(name)).map((name) => KIND_OF[name])) {
        const consumer = consume(kind)
        consumers.set(kind, consumer)
        places.lend(PARTITION_OF[kind], options.liveMax, consumer.reserve)
        ends.push(admissions.of(PARTITION_OF[kind]).serve(options.liveMax))
      }
      strays.start()
      if (consumers.has('workflow')) missingCode.start()
    },
    sweeper,
    async stop(graceMs) {
      isStopping = true
      places.stop()
      strays.stop()
      missingCode.stop()
      for (const end of ends.splice(0)) end()
      for (const consumer of consumers.values()) consumer.pause()
      await keeper.stop(graceMs)
      await Promise.all([...consumers.values()].map((consumer) => consumer.stop()))
      await keeper.letGo()
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
/** How often runs are looked for that this process holds by their rows, but not in memory. */
const STRAYS_EVERY_MS = 10_000
/** A wake-up that was lost is found so late at most, besides the grace. */
const SLOW_MS = 5000
