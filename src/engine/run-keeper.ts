/** The runs that live in this process: brought to life from their rows, woken, told, let go to bound memory, and lost. */
import type { Bus } from '../platform/bus/bus.ts'
import { type Clock, waitAtMost } from '../platform/clock.ts'
import type { Database } from '../platform/db/database.ts'
import { isStaleWrite } from '../platform/db/errors.ts'
import type { NewEvent } from '../platform/events/event.ts'
import type { Json } from '../platform/json.ts'
import type { Log } from '../platform/log.ts'
import { engineErrors, toErrorRecord } from './errors.ts'
import { type Hint, makeHearing } from './hearing.ts'
import { makeLettingGo } from './letting-go.ts'
import { type LiveRun, makeLiveRun } from './live-run.ts'
import type { LiveRunEnv } from './live-run-env.ts'
import type { ProgramSource } from './program.ts'
import type { RunHistory } from './replay.ts'
import type { RunRepository } from './repository.ts'
import { claimRun, finishRun, requeueRun, setRunWake, stoppedBy } from './rows.ts'
import type { TaskPort } from './task-port.ts'
import { fenceOf } from './turn.ts'
import { isFinal, type Run, type WorkflowFunction } from './types.ts'
import type { Workers } from './workers.ts'

export interface RunKeeperOptions {
  readonly db: Database
  readonly runs: RunRepository
  readonly clock: Clock
  readonly log: Log
  readonly bus: Bus
  readonly workerId: string
  readonly workers: Workers
  readonly programs: ProgramSource
  readonly tasks: TaskPort
  readonly payloadLimitBytes: number
  readonly liveMax: number
  readonly planChild: LiveRunEnv['planChild']
  readonly childBorn: LiveRunEnv['childBorn']
  readonly childAbandoned: LiveRunEnv['childAbandoned']
  /** A run wants an owner: it goes to the queue. */
  offer(run: Run): void
  /** A run ended or stopped here, or was found so by its row. */
  onEnded(run: Run): void
  /** A run that this process holds by its row, and does not carry, is given to others: should it still arrive, it comes too late. */
  onTakenBack(runId: string): void
  /** A waiting run was let go: its row says when to wake it. */
  onReleased(wakeAtMs: number | null): void
}

export interface RunKeeper {
  get(runId: string): LiveRun | undefined
  /** Starts a new run that has that place here. */
  born(run: Run, place: () => void): void
  /** Takes a queued run and brings it to life. Resolves when it gives its place back; false: another has it, and its place. */
  activate(runId: string): Promise<boolean>
  /** Something was left for a run: its owner here hears of it, its owner elsewhere is told, and one that nobody has wants an owner. */
  wake(runId: string, hint?: Hint, holder?: string): void
  /** The same for what this process itself has committed, with what its owner here makes of it when nobody else writes to the database. */
  told(runId: string, tell: (live: LiveRun) => void, hint?: Hint): void
  /** Takes a run from its owner, whoever that is. */
  requeue(run: Run): Promise<void>
  /** A run was ended from outside. */
  ended(run: Run): void
  /** Takes no more runs, lets steps under way finish for at most `graceMs`, and ends what is in memory. */
  stop(graceMs: number): Promise<void>
  /** After the stop, once their jobs are over: others may go on with the runs at once. Whoever is alone does so after his next start. */
  letGo(): Promise<void>
  readonly stats: { readonly live: number; readonly idle: number }
}

const LOST_RETRY_MS = 200
/** Should the database be away at a stop, runs are taken over later. */
const LET_GO_MS = 2000
const WAKE = 'wake'

export const runEvent = (run: Run, type: string, data: NewEvent['data'], atMs: number): NewEvent => ({
  tenantId: run.tenantId,
  projectId: run.projectId,
  runId: run.id,
  taskId: null,
  type,
  data,
  atMs,
})

export const makeRunKeeper = (options: RunKeeperOptions): RunKeeper => {
  const { db, runs, clock, log, bus, workerId, workers, programs, tasks } = options
  const live = new Map<string, LiveRun>()
  /** Those that hold nothing, in the order in which they began to wait. */
  const idle = new Set<string>()
  const loading = new Set<string>()
  /** Runs that something was left for while they were being loaded: what was read may be too old. */
  const missed = new Set<string>()
  /** Places of the consumers taken by runs at work. */
  const places = new Map<string, (isLost: boolean) => void>()
  /** Looks at rows under way: a stop waits for them. */
  const waking = new Set<Promise<void>>()
  let isStopping = false

  const report = (what: string, error: unknown, runId: string): void => log.error({ err: error, runId }, what)

  const givePlaceBack = (runId: string, isLost = false): void => {
    places.get(runId)?.(isLost)
    places.delete(runId)
  }

  const forget = (runId: string, isLost = false): void => {
    live.delete(runId)
    idle.delete(runId)
    givePlaceBack(runId, isLost)
  }

  /** Keeps memory bounded: the run that has waited longest is let go; its row says when to wake it. */
  const evict = (): void => {
    for (const runId of idle) {
      if (live.size <= options.liveMax) return
      const run = live.get(runId)
      if (!run) continue
      run.drop()
      forget(runId)
      void letting.letGo({ run: run.run, isIdle: true, wakeAtMs: run.wakeAtMs })
    }
  }

  const env: LiveRunEnv = {
    clock,
    tasks,
    payloadLimitBytes: options.payloadLimitBytes,
    commit: db.commit,
    planChild: options.planChild,
    childBorn: options.childBorn,
    childAbandoned: options.childAbandoned,
    nudge: (runId) => {
      told(runId, (child) => child.cancelRequested())
    },
    hearAgain: (runId) => hearing.ask(runId),
    ended(run) {
      forget(run.id)
      options.onEnded(run)
      if (run.parentRunId === null || !isFinal(run.status)) return
      told(run.parentRunId, (parent) => parent.childEnded(run), { childId: run.id })
    },
    idle(runId, isIdle) {
      idle.delete(runId)
      if (!isIdle) return
      idle.add(runId)
      givePlaceBack(runId)
      evict()
    },
    lost(run, error) {
      if (live.get(run.id)?.run.fence === run.fence) forget(run.id, true)
      log.warn({ err: error, runId: run.id }, 'a run lost its owner or its database; it is rebuilt from its journal')
      clock.after(LOST_RETRY_MS, () => wakeRow(run.id))
    },
  }

  const begin = (run: Run, program: WorkflowFunction, history?: RunHistory): void => {
    if (isStopping) {
      givePlaceBack(run.id)
      letting.keep({ run, isIdle: false, wakeAtMs: null })
      return
    }
    const made = makeLiveRun(run, program, history, env)
    live.set(run.id, made)
    made.start()
  }

  /** The end of loading a run: it is in memory now, or somebody else's. */
  const loaded = (runId: string): void => {
    loading.delete(runId)
    if (!missed.delete(runId)) return
    if (live.has(runId)) hearing.ask(runId)
    else wakeRow(runId)
  }

  const born = (run: Run, place: () => void): void => {
    // It came late, and was found by its row meanwhile.
    if (live.has(run.id) || loading.has(run.id)) {
      place()
      return
    }
    loading.add(run.id)
    places.set(run.id, place)
    programs
      .load(run)
      .then((program) => (program ? begin(run, program) : stopRun(run)))
      .catch((error: unknown) => {
        givePlaceBack(run.id)
        env.lost(run, error)
      })
      .finally(() => loaded(run.id))
  }

  const stopRun = async (run: Run): Promise<void> => {
    const name = `${run.kind} "${run.target}" version ${run.version}`
    const error = toErrorRecord(
      engineErrors.program_not_loaded(
        `the code of the ${name} is not loaded; start AIDOS with --load for its folder, and the run goes on`,
      ),
    )
    const state = stoppedBy(error)
    const events = [runEvent(run, 'run.stopped', { error: error as unknown as Json }, clock.now())]
    try {
      await db.commit({ guards: [fenceOf(run)], writes: [finishRun(run.id, state)], events })
      env.ended({ ...run, ...state })
    } catch (failure) {
      givePlaceBack(run.id)
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

  /** As its claim has written it. */
  const begun = (run: Run, nowMs: number): Run => ({
    ...run,
    status: 'running',
    workerId,
    fence: run.fence + 1,
    waitingFor: null,
    wakeAtMs: null,
    startedAtMs: nowMs,
  })

  /** It is carried under another job: that of a process that died comes again. */
  const isElsewhere = async (runId: string): Promise<boolean> => (await runs.byId(runId))?.status === 'running'

  /** Takes a queued run exactly as it was read: what is left for it in that moment is read too. Undefined when it is not queued. */
  const claim = async (runId: string): Promise<{ readonly queued: Run; readonly nowMs: number } | undefined> => {
    for (;;) {
      const queued = await runs.byId(runId)
      if (queued?.status !== 'queued') return undefined
      const nowMs = clock.now()
      const guards = [{ ...fenceOf(queued), news: queued.news }]
      try {
        await db.commit({ guards, writes: [claimRun(queued, workerId, nowMs)] })
        return { queued, nowMs }
      } catch (error) {
        if (!isStaleWrite(error)) throw error
      }
    }
  }

  const activate = async (runId: string): Promise<boolean> => {
    if (isStopping) return true
    // What lives here may have been taken from here since: then it is let go of, and queued again.
    if (live.has(runId)) hearing.ask(runId)
    if (live.has(runId) || loading.has(runId)) return !(await isElsewhere(runId))
    loading.add(runId)
    try {
      const claimed = await claim(runId)
      if (!claimed) return !(await isElsewhere(runId))
      const { queued, nowMs } = claimed
      // Never begun, and nothing was left for it: there is no history. What comes from now on is heard of.
      const isFresh = queued.startedAtMs === null && queued.news === 0
      const { run, history } = isFresh ? { run: begun(queued, nowMs), history: undefined } : await readHistory(runId)
      const program = await programs.load(run)
      if (program) begin(run, program, history)
      else await stopRun(run)
    } catch (error) {
      report('a run could not be started', error, runId)
      clock.after(LOST_RETRY_MS, () => wakeRow(runId))
      return true
    } finally {
      loaded(runId)
    }
    if (live.get(runId)?.isIdle !== false) return true
    const isLost = await new Promise<boolean>((resolve) => places.set(runId, resolve))
    return !isLost || !(await isElsewhere(runId))
  }

  const hearing = makeHearing({
    runs,
    tasks,
    get: (runId) => live.get(runId),
    onTaken(runId) {
      live.get(runId)?.drop()
      forget(runId, true)
      wakeRow(runId)
    },
    onError(error, runIds) {
      log.error({ err: error, runs: runIds.length }, 'what was left for runs could not be read')
      if (!isStopping)
        clock.after(LOST_RETRY_MS, () => {
          for (const runId of runIds) hearing.ask(runId)
        })
    },
  })

  const wake = (runId: string, hint: Hint = {}, holder?: string): void => {
    if (live.has(runId)) hearing.ask(runId, hint)
    else if (holder !== undefined && holder !== workerId && bus.isShared) bus.send(holder, WAKE, { runId, ...hint })
    else wakeRow(runId, hint)
  }

  const told = (runId: string, tell: (run: LiveRun) => void, hint?: Hint): void => {
    const here = live.get(runId)
    if (here && db.isExclusive) tell(here)
    else wake(runId, hint)
  }

  bus.on(WAKE, (message) => {
    const { runId, ...hint } = message as unknown as { runId: string } & Hint
    wake(runId, hint)
  })

  /** Looks at the row of a run that is not in memory here. */
  const wakeRow = (runId: string, hint: Hint = {}): void => {
    const look = async (): Promise<void> => {
      if (loading.has(runId)) missed.add(runId)
      if (loading.has(runId) || (isStopping && !bus.isShared)) return
      const run = await runs.byId(runId)
      if (!run) return
      // Also when it ended here by a commit whose answer was lost.
      if (isFinal(run.status) || run.status === 'stopped') return options.onEnded(run)
      if (loading.has(runId)) {
        missed.add(runId)
        return
      }
      if (live.has(runId)) return hearing.ask(runId, hint)
      const { workerId: holder } = run
      if (holder !== null && holder !== workerId && !(await workers.isDead(holder))) {
        return bus.send(holder, WAKE, { runId, ...hint })
      }
      if (holder === workerId) options.onTakenBack(runId)
      if (run.status !== 'queued') await requeue(run)
      options.offer(run)
    }
    const woken = look().catch((error: unknown) => {
      if (isStaleWrite(error)) return
      report('a run could not be woken', error, runId)
      if (!isStopping) clock.after(LOST_RETRY_MS, () => wakeRow(runId))
    })
    track(woken)
  }

  const track = (work: Promise<void>): void => {
    waking.add(work)
    void work.finally(() => waking.delete(work))
  }

  const requeue = (run: Run): Promise<void> =>
    db.commit({
      guards: [fenceOf(run)],
      writes: [requeueRun(run.id), setRunWake(run.id, run.news, null)],
    })

  const letting = makeLettingGo({
    db,
    requeue,
    offer: options.offer,
    onReleased: options.onReleased,
    // It is taken over once this process has left.
    onError: (error, runId) => report('a run could not be let go', error, runId),
  })

  return {
    get: (runId) => live.get(runId),
    born,
    activate,
    wake,
    told,
    requeue,
    ended(run) {
      live.get(run.id)?.drop()
      env.ended(run)
    },
    async stop(graceMs) {
      isStopping = true
      const runsAtRest = [...live.values()].map((run) => run.quiesce())
      await waitAtMost(clock, graceMs, Promise.all([hearing.settled(), ...waking, ...runsAtRest]))
      for (const { run, isIdle, wakeAtMs, drop } of live.values()) {
        drop()
        letting.keep({ run, isIdle, wakeAtMs })
      }
      live.clear()
      idle.clear()
      for (const give of places.values()) give(false)
      places.clear()
    },
    async letGo() {
      const left = bus.isShared ? letting.letGoOfKept() : undefined
      await waitAtMost(clock, LET_GO_MS, Promise.all([...waking, left]))
    },
    get stats() {
      return { live: live.size, idle: idle.size }
    },
  }
}
