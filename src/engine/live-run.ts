/**
 * A run in memory. Its function goes on until every branch waits; what it asked for, what it was told and the events of both
 * are committed in one unit (a turn); only then is anything carried out. After a crash the same function is told the journal again.
 */
import type { Clock } from '../platform/clock.ts'
import type { Unit } from '../platform/db/group-commit.ts'
import type { Guard, Write } from '../platform/db/statements.ts'
import type { NewEvent } from '../platform/events/event.ts'
import type { Json } from '../platform/json.ts'
import type { CommandSink, RunCommand, TaskCommand } from './command.ts'
import { makeContext } from './context.ts'
import type { ErrorRecord } from './error-record.ts'
import { engineErrors, RunError, toErrorRecord } from './errors.ts'
import {
  CANCEL,
  childNews,
  childRefused,
  type News,
  signalNews,
  signalTimeoutNews,
  stepNews,
  taskNews,
  timerNews,
} from './news.ts'
import { makePendingTable, type Pending } from './pending.ts'
import { makeSeededRandom } from './random.ts'
import { makeValueOf, mismatch, type RunHistory } from './replay.ts'
import {
  insertJournal,
  insertRun,
  leaveNews,
  type RunState,
  requestCancel,
  type SignalRow,
  setRunWake,
  updateRun,
} from './rows.ts'
import { serialize, startStep } from './step-attempt.ts'
import type { FinishedTask, TaskPort } from './task-port.ts'
import type { JournalEntry, Run, WorkflowFunction } from './types.ts'

export interface LiveRunEnv {
  readonly clock: Clock
  readonly tasks: TaskPort
  readonly payloadLimitBytes: number
  commit(unit: Unit): Promise<void>
  /** The row of a child run, checked; throws when its target does not exist or the input does not fit. */
  planChild(parent: Run, command: RunCommand): Promise<Run>
  /** After the commit: a child was born. */
  childBorn(child: Run): void
  /** The commit that would have given birth to it failed. */
  childAbandoned(child: Run): void
  /** After the commit: a child is to look at its row (it is being cancelled). */
  nudge(runId: string): void
  /** The run ended or stopped; nothing of it is in memory any more. */
  ended(run: Run): void
  /** The run waits for nothing but time or signals (true), or works again. */
  idle(runId: string, isIdle: boolean): void
  /** The run lost its owner or its database: it has to be rebuilt. */
  lost(run: Run, error: unknown): void
}

export interface LiveRun {
  readonly run: Run
  readonly isIdle: boolean
  /** Pieces of news that it knows of; the row has more when a push was lost. */
  readonly seenNews: number
  /** Replays what is known and goes on. */
  start(): void
  /** False when the run does not wait for that task (any more). */
  taskFinished(task: FinishedTask): boolean
  childEnded(child: Run): void
  signalled(signal: SignalRow): void
  cancelRequested(): void
  /** Starts no further step; resolves when those under way are journaled. */
  quiesce(): Promise<void>
  /** Lets go of the run without a trace: timers off, steps aborted. */
  drop(): void
}

/** What one turn writes, and what is done after its commit or when it fails. */
interface Turn {
  readonly guards: Guard[]
  readonly writes: Write[]
  readonly toldTasks: FinishedTask[]
  readonly after: (() => void)[]
  readonly undo: (() => void)[]
}

/** A step that runs longer than this is told of in the timeline before it ends. */
const ANNOUNCE_AFTER_MS = 25

const nextTurnOfLoop = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

export const makeLiveRun = (
  initial: Run,
  program: WorkflowFunction,
  history: RunHistory | undefined,
  env: LiveRunEnv,
): LiveRun => {
  let run = initial
  const pending = makePendingTable()
  const root = new AbortController()
  const counts = new Map<string, number>()
  const random = makeSeededRandom(run.id)
  const inbox: News[] = []
  const signals: SignalRow[] = []
  /** Tasks that ended while the journal was being replayed. */
  const early: FinishedTask[] = []
  let events: NewEvent[] = []
  let replaying = history !== undefined
  let position = 0
  let nowMs = run.startedAtMs ?? env.clock.now()
  let outcome:
    | { readonly ok: true; readonly value: unknown }
    | { readonly ok: false; readonly error: unknown }
    | undefined
  let cancelled = false
  let turning = false
  let over = false
  let isIdle = false
  // What the row says, so that it is written only when it changes; `undefined`: others may have written it.
  let writtenStatus = run.status
  let writtenWakeMs: number | null | undefined = run.wakeAtMs
  let seenNews = run.news
  let disarmWake: (() => void) | undefined
  let disarmAnnounce: (() => void) | undefined
  let announceDue = false
  /** Set when no further step may start; called when none is under way. */
  let quiet: (() => void) | undefined

  let pausing = 0

  /** Until the function and all it woke have gone as far as they can: microtasks only, since it does no I/O of its own. */
  const drained = async (): Promise<void> => {
    do await nextTurnOfLoop()
    while (pausing > 0)
  }

  const event = (type: string, data: Record<string, Json | undefined> = {}): void => {
    if (replaying) return
    const { id: runId, tenantId, projectId } = run
    events.push({ tenantId, projectId, runId, taskId: null, type, data, atMs: env.clock.now() })
  }

  // ---- the function and what it is told ---------------------------------------------------------------------------------------

  const sink: CommandSink = {
    runId: run.id,
    tenantId: run.tenantId,
    nextKey(name) {
      const count = (counts.get(name) ?? 0) + 1
      counts.set(name, count)
      return count === 1 ? name : `${name}#${count}`
    },
    request: (command, signal) => pending.add(command, signal),
    now: () => nowMs,
    random,
    log: event,
    async pause() {
      pausing++
      await nextTurnOfLoop()
      pausing--
    },
  }

  const begin = (): void => {
    event('run.started', { target: run.target, version: run.version })
    const ctx = makeContext(sink, root.signal)
    const call = async (): Promise<unknown> => program(ctx, run.input)
    call().then(
      (value) => {
        outcome = { ok: true, value }
      },
      (error: unknown) => {
        outcome = { ok: false, error }
      },
    )
  }

  const tell = (news: Pick<News, 'key' | 'kind' | 'outcome' | 'value' | 'ref'>): void => {
    if (news.kind === 'cancel') {
      cancelled = true
      root.abort('the run was cancelled')
      return
    }
    const found = pending.get(news.key)
    if (!found) return
    if (news.kind === 'attempt') {
      found.attempt++
      found.answered = false
      pending.setRetry(found, Number(news.ref))
      return
    }
    pending.take(news.key)
    if (news.outcome === 'ok') found.resolve(news.value)
    else found.reject(new RunError(news.value as unknown as ErrorRecord))
  }

  // ---- replay -----------------------------------------------------------------------------------------------------------------

  const replay = async (known: RunHistory): Promise<void> => {
    const readValue = makeValueOf(known)
    await drained()
    for (const entry of known.journal) {
      const problem = mismatch(entry, pending)
      if (problem) return stop(problem)
      position = entry.position
      nowMs = entry.atMs
      tell({ ...entry, value: readValue(entry) } satisfies JournalEntry)
      await drained()
      pending.takeCalledOff()
    }
    const problem = reconcile(known)
    if (problem) return stop(problem)
    replaying = false
    event('run.resumed', { position })
    for (const task of early.splice(0)) if (!taskFinished(task)) task.failed(notWaitedFor(task))
    if (run.cancelRequestedAtMs !== null && !cancelled) inbox.push(CANCEL)
  }

  /** Finds the tasks and children of the commands that still wait, and what they brought in the meantime. */
  const reconcile = (known: RunHistory): string | undefined => {
    const told = new Set(known.journal.map((entry) => entry.ref))
    for (const task of known.tasks) {
      if (told.has(task.taskId)) continue
      const found = pending.get(task.stepKey)
      if (!found && task.outcome) continue
      if (found?.command.kind !== 'task' || found.command.resource !== task.kind) {
        const asked = found ? `a ${found.command.kind}` : 'nothing'
        return `the run has an open task "${task.stepKey}" (${task.kind}), but the code asks for ${asked} of that name`
      }
      found.ref = task.taskId
      if (task.outcome) offer(taskNews(task.stepKey, task.taskId, task.outcome, task.value as Json), found)
    }
    for (const child of known.children) {
      const found = told.has(child.id) ? undefined : pending.get(child.parentKey as string)
      if (!found) continue
      found.ref = child.id
      if (child.finishedAtMs !== null) offer(childNews(child), found)
    }
    signals.unshift(...known.signals.filter((signal) => !told.has(signal.id)))
    return undefined
  }

  /** The code and the journal disagree: nothing is done until somebody mends the code and continues the run. */
  const stop = async (problem: string): Promise<void> => {
    over = true
    replaying = false
    const error = toErrorRecord(engineErrors.nondeterminism(`${problem}. Mend the code, then continue the run`))
    event('run.stopped', { error: error as unknown as Json })
    const state = {
      status: 'stopped',
      waitingFor: null,
      output: null,
      error,
      workerId: null,
      finishedAtMs: null,
    } as const
    const writes = [updateRun(run.id, state), setRunWake(run.id, seenNews, null)]
    await env.commit({ guards: [fence()], writes, events })
    end({ ...run, ...state })
  }

  // ---- news -------------------------------------------------------------------------------------------------------------------

  const offer = (news: News, found: Pending): void => {
    if (over || found.answered) return
    found.answered = true
    inbox.push(news)
  }

  const notWaitedFor = (task: FinishedTask): Error => new Error(`the run does not wait for the task ${task.taskId}`)

  const taskFinished = (task: FinishedTask): boolean => {
    if (over) return false
    if (replaying) {
      early.push(task)
      return true
    }
    const found = pending.get(task.stepKey)
    if (found?.ref !== task.taskId) return false
    offer(taskNews(task.stepKey, task.taskId, task.outcome, task.value, task), found)
    turn()
    return true
  }

  const executeStep = (found: Pending): void => {
    const { command } = found
    if (command.kind !== 'step' || over || quiet) return
    pending.setRetry(found, undefined)
    const startedAtMs = env.clock.now()
    const attempt = found.attempt + 1
    const started = startStep({
      command,
      attempt,
      idempotencyKey: `${run.id}/${command.key}`,
      clock: env.clock,
      random: Math.random,
      payloadLimitBytes: env.payloadLimitBytes,
    })
    found.abort = started.abort
    started.answer.then((answer) => {
      found.abort = undefined
      if (over || pending.get(command.key) !== found) return
      const endedAtMs = env.clock.now()
      offer(stepNews(command.key, answer, { attempt, durationMs: endedAtMs - startedAtMs, nowMs: endedAtMs }), found)
      turn()
    })
  }

  const matchSignals = (): void => {
    if (signals.length === 0) return
    for (const found of pending.waits) {
      const { command } = found
      if (command.kind !== 'signal' || found.answered) continue
      const index = signals.findIndex((signal) => signal.name === command.name)
      const [signal] = index < 0 ? [] : signals.splice(index, 1)
      if (signal) offer(signalNews(command.key, signal), found)
    }
  }

  /** Acts on what has fallen due. */
  const collectDue = (): void => {
    const atMs = env.clock.now()
    for (const found of [...pending.waits]) {
      const { command } = found
      if (found.answered) continue
      if (command.kind === 'timer' && command.dueMs <= atMs) offer(timerNews(command.key), found)
      if (command.kind === 'signal' && command.dueMs !== undefined && command.dueMs <= atMs)
        offer(signalTimeoutNews(command), found)
      if (found.retryAtMs !== undefined && found.retryAtMs <= atMs) executeStep(found)
    }
  }

  // ---- a turn -----------------------------------------------------------------------------------------------------------------

  const fence = (): Guard => ({ table: 'runs', id: run.id, fence: run.fence })

  const isWanted = (news: News): boolean =>
    outcome === undefined && (news.kind === 'cancel' ? !cancelled : pending.get(news.key) !== undefined)

  const tellAll = async ({ toldTasks, guards, writes }: Turn): Promise<void> => {
    for (;;) {
      matchSignals()
      const news = inbox.shift()
      if (!news) return
      if (news.task) {
        toldTasks.push(news.task)
        guards.push(...news.task.guards)
        writes.push(...news.task.writes)
        events.push(...news.task.events)
      }
      if (!isWanted(news)) continue
      position++
      nowMs = env.clock.now()
      const { key, kind, ref } = news
      writes.push(insertJournal(run, { position, key, kind, outcome: news.outcome, ref, atMs: nowMs }, news.valueText))
      if (news.event) event(news.event.type, news.event.data)
      tell(news)
      await drained()
    }
  }

  const planTask = (found: Pending, command: TaskCommand, { writes, after, undo }: Turn): void => {
    const { key: stepKey, resource: kind, input, retry, waitForToken } = command
    const { timeoutMs, heartbeatMs, delayMs } = command
    const { tenantId, projectId, id: runId } = run
    const priority = command.priority ?? run.priority
    const spec = { tenantId, projectId, runId, stepKey, kind, input, priority, retry, waitForToken }
    const planned = env.tasks.plan({ ...spec, timeoutMs, heartbeatMs, delayMs })
    found.ref = planned.id
    writes.push(...planned.writes)
    events.push(...planned.events)
    after.push(planned.dispatch)
    undo.push(planned.abandon)
  }

  const planChild = async (found: Pending, command: RunCommand, { writes, after, undo }: Turn): Promise<void> => {
    try {
      const child = await env.planChild(run, command)
      found.ref = child.id
      writes.push(insertRun(child))
      event('run.child', { step: command.key, childRunId: child.id, target: child.target })
      after.push(() => env.childBorn(child))
      undo.push(() => env.childAbandoned(child))
    } catch (error) {
      offer(childRefused(command.key, error), found)
    }
  }

  const planNew = async (turnOf: Turn): Promise<void> => {
    for (const found of pending.takeNew()) {
      const { command } = found
      // Found again by a replay: its task or child exists already, or its next try has a time.
      if (found.ref !== undefined || found.retryAtMs !== undefined) continue
      if (command.kind === 'step') turnOf.after.push(() => executeStep(found))
      else if (command.kind === 'task') planTask(found, command, turnOf)
      else if (command.kind === 'run') await planChild(found, command, turnOf)
      else if (command.kind === 'timer') event('timer.started', { timer: command.key, dueMs: command.dueMs })
      else event('signal.waiting', { signal: command.name, dueMs: command.dueMs })
    }
  }

  /** Ends what nobody waits for any more. */
  const planCalledOff = (called: readonly Pending[], { writes, after }: Turn): void => {
    const { tenantId, projectId, id: runId } = run
    const tasks = called.flatMap(({ ref, command }) =>
      ref !== undefined && command.kind === 'task'
        ? [{ id: ref, tenantId, projectId, runId, kind: command.resource }]
        : [],
    )
    if (tasks.length > 0) {
      const planned = env.tasks.planCancel(tasks)
      writes.push(...planned.writes)
      events.push(...planned.events)
      after.push(planned.dispatch)
    }
    for (const { ref, command, abort } of called) {
      if (abort) after.push(abort)
      if (ref === undefined || command.kind !== 'run') continue
      writes.push(requestCancel(ref, env.clock.now()), leaveNews(ref, env.clock.now()))
      after.push(() => env.nudge(ref))
    }
  }

  const nextWakeMs = (): number | null => {
    let dueMs = run.deadlineAtMs ?? Number.POSITIVE_INFINITY
    for (const { command, retryAtMs } of pending.waits) {
      const commandDueMs = command.kind === 'timer' || command.kind === 'signal' ? command.dueMs : retryAtMs
      dueMs = Math.min(dueMs, commandDueMs ?? Number.POSITIVE_INFINITY)
    }
    return Number.isFinite(dueMs) ? Math.ceil(dueMs) : null
  }

  /** What the run waits for when nothing of it is under way. */
  const waitingFor = (): string | null => {
    if (pending.size === 0 || pending.size > pending.waits.size) return null
    for (const { command } of pending.waits) if (command.kind === 'signal') return `signal:${command.name}`
    for (const { command } of pending.waits) if (command.kind === 'run') return `run:${command.target}`
    for (const { command } of pending.waits) if (command.kind === 'timer') return 'timer'
    return 'retry'
  }

  const planState = ({ writes }: Turn): void => {
    const waits = waitingFor()
    const status = waits === null ? 'running' : 'waiting'
    if (status !== writtenStatus) {
      const { workerId } = run
      writes.push(
        updateRun(run.id, { status, waitingFor: waits, output: null, error: null, workerId, finishedAtMs: null }),
      )
      if (waits !== null) event('run.waiting', { for: waits })
      writtenStatus = status
    }
    const wakeMs = nextWakeMs()
    if (wakeMs !== writtenWakeMs) writes.push(setRunWake(run.id, seenNews, wakeMs))
    writtenWakeMs = wakeMs
  }

  const finalState = (): { state: RunState; output: Json } => {
    const base = { waitingFor: null, workerId: null, finishedAtMs: env.clock.now() }
    const ends = (status: 'failed' | 'cancelled' | 'timed_out', error: unknown) => ({
      state: { ...base, status, output: null, error: toErrorRecord(error) },
      output: null,
    })
    if (!outcome) return ends('timed_out', engineErrors.run_timed_out('the run took longer than its time limit'))
    if (!outcome.ok) return ends(cancelled ? 'cancelled' : 'failed', outcome.error)
    try {
      const output = serialize(outcome.value, env.payloadLimitBytes, 'the output of the run')
      return { state: { ...base, status: 'completed', output, error: null }, output: JSON.parse(output) as Json }
    } catch (error) {
      return ends('failed', error)
    }
  }

  const planEnd = ({ writes, after }: Turn): void => {
    const { state, output } = finalState()
    const durationMs = env.clock.now() - run.createdAtMs
    event(`run.${state.status}`, state.error ? { durationMs, error: state.error as unknown as Json } : { durationMs })
    writes.push(updateRun(run.id, state))
    if (writtenWakeMs !== null) writes.push(setRunWake(run.id, seenNews, null))
    if (run.parentRunId) writes.push(leaveNews(run.parentRunId, env.clock.now()))
    const ended: Run = { ...run, ...state, output, wakeAtMs: null }
    after.unshift(() => end(ended))
  }

  const commit = async (turnOf: Turn): Promise<boolean> => {
    if (turnOf.writes.length === 0 && !(announceDue && events.length > 0)) return true
    const unit = { guards: [fence(), ...turnOf.guards], writes: turnOf.writes, events }
    events = []
    announceDue = false
    try {
      await env.commit(unit)
      return true
    } catch (error) {
      for (const undo of turnOf.undo) undo()
      for (const task of turnOf.toldTasks) task.failed(error)
      drop()
      env.lost(run, error)
      return false
    }
  }

  const takeTurn = async (): Promise<void> => {
    const turnOf: Turn = { guards: [], writes: [], toldTasks: [], after: [], undo: [] }
    await tellAll(turnOf)
    const timedOut = run.deadlineAtMs !== null && run.deadlineAtMs <= env.clock.now()
    if (outcome || timedOut) {
      planCalledOff([...pending.takeCalledOff(), ...pending.values()], turnOf)
      planEnd(turnOf)
    } else {
      await planNew(turnOf)
      planCalledOff(pending.takeCalledOff(), turnOf)
      planState(turnOf)
    }
    if (!(await commit(turnOf))) return
    for (const act of turnOf.after) act()
  }

  const loop = async (): Promise<void> => {
    setIdle(false)
    do {
      await takeTurn()
      if (over) return
      collectDue()
      matchSignals()
    } while (inbox.length > 0 || outcome !== undefined || pending.hasNew() || writtenWakeMs === undefined)
    turning = false
    if (quiet && !isExecuting()) quiet()
    armWake()
    armAnnounce()
    setIdle(writtenStatus === 'waiting')
  }

  const turn = (): void => {
    if (turning || over) return
    turning = true
    loop().catch(crashed)
  }

  const crashed = (error: unknown): void => {
    drop()
    env.lost(run, error)
  }

  // ---- time -------------------------------------------------------------------------------------------------------------------

  const setIdle = (value: boolean): void => {
    if (isIdle === value) return
    isIdle = value
    env.idle(run.id, value)
  }

  const armWake = (): void => {
    disarmWake?.()
    disarmWake = undefined
    if (typeof writtenWakeMs !== 'number') return
    disarmWake = env.clock.after(writtenWakeMs - env.clock.now(), () => {
      collectDue()
      turn()
    })
  }

  /** Events of a turn that had nothing else to write, and steps that take long, reach the timeline after a moment. */
  const armAnnounce = (): void => {
    if (disarmAnnounce || (events.length === 0 && pending.size === pending.waits.size)) return
    disarmAnnounce = env.clock.after(ANNOUNCE_AFTER_MS, () => {
      disarmAnnounce = undefined
      if (pending.size < 1000) announceSteps()
      announceDue = events.length > 0
      if (announceDue) turn()
    })
  }

  const announceSteps = (): void => {
    for (const found of pending.values()) {
      if (found.command.kind !== 'step' || found.announced || !found.abort) continue
      found.announced = true
      event('step.started', { step: found.command.key, attempt: found.attempt + 1 })
    }
  }

  const isExecuting = (): boolean => turning || [...pending.values()].some((found) => found.abort !== undefined)

  const drop = (): void => {
    over = true
    quiet?.()
    for (const task of early.splice(0)) task.failed(notWaitedFor(task))
    disarmWake?.()
    disarmAnnounce?.()
    for (const found of pending.values()) found.abort?.()
  }

  const end = (ended: Run): void => {
    run = ended
    drop()
    env.ended(ended)
  }

  const start = async (): Promise<void> => {
    begin()
    if (history) await replay(history)
    else await drained()
    if (!over) await loop()
  }

  return {
    get run() {
      return run
    },
    get isIdle() {
      return isIdle
    },
    get seenNews() {
      return seenNews
    },
    start() {
      turning = true
      start().catch(crashed)
    },
    taskFinished,
    childEnded(child) {
      seenNews++
      writtenWakeMs = undefined
      const found = pending.get(child.parentKey as string)
      if (found?.ref === child.id) offer(childNews(child), found)
      turn()
    },
    signalled(signal) {
      seenNews++
      writtenWakeMs = undefined
      signals.push(signal)
      turn()
    },
    cancelRequested() {
      seenNews++
      writtenWakeMs = undefined
      inbox.push(CANCEL)
      turn()
    },
    quiesce: () =>
      new Promise((resolve) => {
        quiet = resolve
        if (over || !isExecuting()) resolve()
      }),
    drop,
  }
}
