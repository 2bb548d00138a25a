/**
 * A run in memory. Its function goes on until every branch waits; what it asked for, what it was told and the events of both
 * are committed in one unit (a turn); only then is anything carried out. After a crash the same function is told the journal again.
 */
import { isRefusedData } from '../platform/db/errors.ts'
import { messageOf } from '../platform/errors.ts'
import type { Json } from '../platform/json.ts'
import type { CommandSink } from './command.ts'
import { makeContext } from './context.ts'
import type { ErrorRecord } from './error-record.ts'
import { engineErrors, RunError, toErrorRecord } from './errors.ts'
import type { LiveRunEnv } from './live-run-env.ts'
import { CANCEL, childNews, type News, signalNews, signalTimeoutNews, stepNews, taskNews, timerNews } from './news.ts'
import type { Pending } from './pending.ts'
import { makeSeededRandom } from './random.ts'
import { makeValueOf, mismatch, type RunHistory, reconcile } from './replay.ts'
import { finishRun, insertJournal, type SignalRow, stoppedBy } from './rows.ts'
import { makeRunMemory } from './run-memory.ts'
import { startStep } from './step-attempt.ts'
import type { FinishedTask, TaskResult } from './task-port.ts'
import { fenceOf, makeTurnPlanner, newTurn, type Turn } from './turn.ts'
import { commitThroughOutages, isStaleTask, stepsOnly } from './turn-commit.ts'
import type { Run, WorkflowFunction } from './types.ts'

export interface LiveRun {
  readonly run: Run
  readonly isIdle: boolean
  /** When it next has something to do. */
  readonly wakeAtMs: number | null
  /** Pieces of news that it knows of; the row has more when a push was lost. */
  readonly seenNews: number
  /** Replays what is known and goes on. */
  start(): void
  /** False when the run does not wait for that task (any more). */
  taskFinished(task: FinishedTask): boolean
  /** These three come from this very process, on a database that belongs to it: each is one piece of news. */
  childEnded(child: Run): void
  signalled(signal: SignalRow): void
  cancelRequested(): void
  /** Takes what was found of its `news`; false when there must be more than that. */
  hear(news: number, found: Found): boolean
  /** The same, when what was found is all there is. */
  hearAll(news: number, found: Found): void
  /** The tasks and children that it waits for. */
  openRefs(): { readonly tasks: string[]; readonly children: string[] }
  /** Starts no further step; resolves when those under way are journaled. */
  quiesce(): Promise<void>
  /** Lets go of the run without a trace: timers off, steps aborted. */
  drop(): void
}

/** What others have left for a run, as the database has it. */
export interface Found {
  /** Those that have ended. */
  readonly tasks: readonly TaskResult[]
  readonly children: readonly Run[]
  readonly signals: readonly SignalRow[]
  readonly cancelled: boolean
}

/** A step that runs longer than this is told of in the timeline before it ends. */
const ANNOUNCE_AFTER_MS = 25
/** With more open commands than this, long steps are not told of: looking for them would cost too much. */
const ANNOUNCE_MAX = 1000

const nextTurnOfLoop = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

export const makeLiveRun = (
  run: Run,
  program: WorkflowFunction,
  history: RunHistory | undefined,
  env: LiveRunEnv,
): LiveRun => {
  const memory = makeRunMemory(run, history !== undefined, env.clock)
  const { pending, record } = memory
  const root = new AbortController()
  const counts = new Map<string, number>()
  const inbox: News[] = []
  const signals: SignalRow[] = []
  /** Tasks and children that ended while the journal was being replayed. */
  const earlyTasks: FinishedTask[] = []
  const earlyChildren: Run[] = []
  /** It was to hear of news while the journal was being replayed. */
  let wasToldEarly = false
  const knownSignals = new Set(history?.signals.map((signal) => signal.id))
  let isCancelHeard = run.cancelRequestedAtMs !== null
  let pausing = 0
  let turning = false
  let isIdle = false
  let announceDue = false
  let disarmWake: (() => void) | undefined
  let disarmAnnounce: (() => void) | undefined
  /** Set when no further step may start; called when none is under way. */
  let quiet: (() => void) | undefined

  // ---- the function and what it is told ---------------------------------------------------------------------------------------

  /** Until the function and all it woke have gone as far as they can: microtasks only, since it does no I/O of its own. */
  const drained = async (): Promise<void> => {
    do await nextTurnOfLoop()
    while (pausing > 0)
  }

  const sink: CommandSink = {
    runId: run.id,
    tenantId: run.tenantId,
    nextKey(name) {
      let count = counts.get(name) ?? 0
      const key = (): string => (count === 1 ? name : `${name}#${count}`)
      do count++
      while (count > 1 && counts.has(key()))
      counts.set(name, count)
      if (count > 1) counts.set(key(), 1)
      return key()
    },
    request(command, signal) {
      const answer = pending.add(command, signal)
      turn()
      return answer
    },
    now: () => memory.nowMs,
    random: makeSeededRandom(run.id),
    log: record,
    async pause() {
      pausing++
      await nextTurnOfLoop()
      pausing--
    },
  }

  const begin = (): void => {
    record('run.started', { target: run.target, version: run.version })
    const ctx = makeContext(sink, root.signal)
    const call = async (): Promise<unknown> => program(ctx, run.input)
    call().then(
      (value) => {
        memory.outcome = { ok: true, value }
        turn()
      },
      (error: unknown) => {
        memory.outcome = { ok: false, error }
        turn()
      },
    )
  }

  const tell = (news: Pick<News, 'key' | 'kind' | 'outcome' | 'value' | 'ref'>): void => {
    if (news.kind === 'cancel') {
      memory.cancelled = true
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
      memory.position = entry.position
      memory.nowMs = entry.atMs
      tell({ ...entry, value: readValue(entry) })
      await drained()
      pending.takeCalledOff()
    }
    const found = reconcile(known, pending)
    if (typeof found === 'string') return stop(found)
    for (const { news, pending: waiting } of found.answers) offer(news, waiting)
    signals.unshift(...found.signals)
    // The waits that this journal led to are in the timeline already.
    if (memory.position > 0) for (const found of pending.waits) found.announced = true
    memory.replaying = false
    record('run.resumed', { position: memory.position })
    for (const task of earlyTasks.splice(0)) if (!taskFinished(task)) task.failed(notWaitedFor(task))
    for (const child of earlyChildren.splice(0)) offerChild(child)
    if (run.cancelRequestedAtMs !== null && !memory.cancelled) inbox.push(CANCEL)
    if (wasToldEarly) env.hearAgain(run.id)
  }

  /** The code and the journal disagree. */
  const stop = (problem: string): Promise<void> =>
    stopWith(engineErrors.nondeterminism(`${problem}. Mend the code, then continue the run`))

  /** Nothing more is done until somebody mends the code and continues the run. */
  const stopWith = async (reason: Error): Promise<void> => {
    memory.over = true
    memory.replaying = false
    const error = toErrorRecord(reason)
    record('run.stopped', { error: error as unknown as Json })
    const state = stoppedBy(error)
    const writes = [finishRun(run.id, state)]
    await env.commit({ guards: [fenceOf(run)], writes, events: memory.events })
    end({ ...run, ...state })
  }

  // ---- news -------------------------------------------------------------------------------------------------------------------

  const offer = (news: News, found: Pending): void => {
    if (memory.over || found.answered) return
    found.answered = true
    inbox.push(news)
  }

  const notWaitedFor = (task: FinishedTask): Error => new Error(`the run does not wait for the task ${task.taskId}`)

  const taskFinished = (task: FinishedTask): boolean => {
    if (memory.over) return false
    if (memory.replaying) {
      earlyTasks.push(task)
      return true
    }
    // Called off by this very turn, which has not planned its end yet: it ended by itself, and the turn writes that.
    const found = pending.calledOffBy(task.taskId) ?? pending.get(task.stepKey)
    if (found?.ref !== task.taskId || found.answered) return false
    offer(taskNews(task.stepKey, task.taskId, task.outcome, task.value, task), found)
    turn()
    return true
  }

  const offerChild = (child: Run): void => {
    const found = pending.get(child.parentKey as string)
    if (found?.ref === child.id) offer(childNews(child), found)
  }

  /** Others have written the row: it has more news, and another moment to wake. */
  const count = (): void => {
    memory.seenNews++
    memory.writtenWakeMs = undefined
  }

  /** Puts what is new to it into the inbox, and says how much that is. */
  const takeFound = (found: Found): number => {
    let fresh = 0
    for (const { taskId, stepKey, outcome, value } of found.tasks) {
      const waiting = pending.get(stepKey)
      if (!outcome || waiting?.ref !== taskId || waiting.answered) continue
      offer(taskNews(stepKey, taskId, outcome, value as Json), waiting)
      fresh++
    }
    for (const child of found.children) {
      const waiting = pending.get(child.parentKey as string)
      if (child.finishedAtMs === null || waiting?.ref !== child.id || waiting.answered) continue
      offer(childNews(child), waiting)
      fresh++
    }
    for (const signal of found.signals) {
      if (knownSignals.has(signal.id)) continue
      knownSignals.add(signal.id)
      signals.push(signal)
      fresh++
    }
    if (found.cancelled && !isCancelHeard) {
      isCancelHeard = true
      inbox.push(CANCEL)
      fresh++
    }
    return fresh
  }

  const hear = (news: number, found: Found): boolean => {
    if (memory.over) return true
    if (memory.replaying) {
      wasToldEarly = true
      return true
    }
    const isAll = news - memory.seenNews <= takeFound(found)
    if (isAll) {
      memory.seenNews = Math.max(memory.seenNews, news)
      memory.writtenWakeMs = undefined
    }
    turn()
    return isAll
  }

  const hearAll = (news: number, found: Found): void => {
    if (memory.over || memory.replaying) return
    takeFound(found)
    memory.seenNews = Math.max(memory.seenNews, news)
    memory.writtenWakeMs = undefined
    turn()
  }

  const executeStep = (found: Pending): void => {
    const { command } = found
    if (command.kind !== 'step' || memory.over || quiet) return
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
      if (memory.over || pending.get(command.key) !== found) return
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
      const isDue = (dueMs: number | undefined): boolean => dueMs !== undefined && dueMs <= atMs
      if (command.kind === 'timer' && isDue(command.dueMs)) offer(timerNews(command.key), found)
      else if (command.kind === 'signal' && isDue(command.dueMs)) offer(signalTimeoutNews(command), found)
      else if (isDue(found.retryAtMs)) executeStep(found)
    }
  }

  // ---- a turn -----------------------------------------------------------------------------------------------------------------

  const isWanted = (news: News): boolean =>
    memory.outcome === undefined && (news.kind === 'cancel' ? !memory.cancelled : pending.get(news.key) !== undefined)

  const tellAll = async ({ toldTasks, told, guards, writes }: Turn): Promise<void> => {
    for (;;) {
      matchSignals()
      const news = inbox.shift()
      if (!news) return
      if (news.task) {
        toldTasks.push(news.task)
        guards.push(...news.task.guards)
        writes.push(...news.task.writes)
        memory.events.push(...news.task.events)
      }
      if (!isWanted(news)) {
        if (news.signal) signals.unshift(news.signal)
        continue
      }
      const position = ++memory.position
      const atMs = env.clock.now()
      memory.nowMs = atMs
      const { key, kind, ref } = news
      writes.push(insertJournal(run, { position, key, kind, outcome: news.outcome, ref, atMs }, news.valueText))
      if (news.event) record(news.event.type, news.event.data)
      told.push({ news, atMs })
      tell(news)
      await drained()
    }
  }

  const commit = async (turnOf: Turn): Promise<boolean> => {
    const { writes, guards } = turnOf
    if (writes.length === 0 && !(announceDue && memory.events.length > 0)) return true
    const { events } = memory
    memory.events = []
    announceDue = false
    try {
      await commitThroughOutages({ guards: [fenceOf(run), ...guards], writes, events }, committing)
      for (const task of turnOf.toldTasks) task.committed?.()
      return true
    } catch (error) {
      for (const undo of turnOf.undo) undo()
      for (const task of turnOf.toldTasks) task.failed(error)
      // What will be refused every time is not tried for ever: the steps before it would run again each time.
      if (isRefusedData(error))
        await stopWith(
          engineErrors.write_refused(`the database refuses what the run wants to write: ${messageOf(error)}`),
        )
      else {
        if (isStaleTask(error)) await keepSteps(turnOf)
        crashed(error)
      }
      return false
    }
  }

  const committing = { clock: env.clock, commit: env.commit, isOver: () => memory.over }

  /** What steps have done in a turn that was refused is not done again when the run is rebuilt. */
  const keepSteps = async ({ told }: Turn): Promise<void> => {
    const unit = stepsOnly(run, told, memory.position - told.length)
    if (unit) await commitThroughOutages(unit, committing)
  }

  const takeTurn = async (): Promise<void> => {
    const turnOf = newTurn()
    await tellAll(turnOf)
    const isLate = run.deadlineAtMs !== null && run.deadlineAtMs <= env.clock.now()
    if (memory.outcome || isLate) planner.planEnd(turnOf)
    else await planner.planNext(turnOf)
    if (!(await commit(turnOf))) return
    for (const act of turnOf.after) act()
  }

  const hasMore = (): boolean =>
    inbox.length > 0 || memory.outcome !== undefined || pending.hasNew() || memory.writtenWakeMs === undefined

  const loop = async (): Promise<void> => {
    setIdle(false)
    do {
      await takeTurn()
      if (memory.over) return
      collectDue()
      matchSignals()
    } while (hasMore())
    turning = false
    if (quiet && !isExecuting()) quiet()
    armWake()
    armAnnounce()
    setIdle(memory.writtenStatus === 'waiting' && pending.size === pending.waits.size)
  }

  const turn = (): void => {
    if (turning || memory.over) return
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
    const { writtenWakeMs } = memory
    if (typeof writtenWakeMs !== 'number') return
    disarmWake = env.clock.after(writtenWakeMs - env.clock.now(), () => {
      collectDue()
      turn()
    })
  }

  /** Events of a turn that had nothing else to write, and steps that take long, reach the timeline after a moment. */
  const armAnnounce = (): void => {
    if (disarmAnnounce || (memory.events.length === 0 && pending.size === pending.waits.size)) return
    disarmAnnounce = env.clock.after(ANNOUNCE_AFTER_MS, () => {
      disarmAnnounce = undefined
      if (pending.size < ANNOUNCE_MAX) announceSteps()
      announceDue = memory.events.length > 0
      if (announceDue) turn()
    })
  }

  const announceSteps = (): void => {
    for (const found of pending.values()) {
      if (found.command.kind !== 'step' || found.announced || !found.abort) continue
      found.announced = true
      record('step.started', { step: found.command.key, attempt: found.attempt + 1 })
    }
  }

  // ---- life -------------------------------------------------------------------------------------------------------------------

  const isExecuting = (): boolean => turning || [...pending.values()].some((found) => found.abort !== undefined)

  const drop = (): void => {
    memory.over = true
    quiet?.()
    for (const task of earlyTasks.splice(0)) task.failed(notWaitedFor(task))
    // Ends that came during the last turn: whoever brought them commits them.
    for (const { task } of inbox.splice(0)) task?.failed(notWaitedFor(task))
    disarmWake?.()
    disarmAnnounce?.()
    for (const found of pending.values()) found.abort?.()
  }

  const end = (ended: Run): void => {
    memory.run = ended
    drop()
    env.ended(ended)
  }

  const payloadLimitBytes = program.outputLimitBytes ?? env.payloadLimitBytes
  const planner = makeTurnPlanner(memory, { ...env, payloadLimitBytes }, { executeStep, offer, end })

  const start = async (): Promise<void> => {
    begin()
    if (history) await replay(history)
    else await drained()
    if (!memory.over) await loop()
  }

  return {
    get run() {
      return memory.run
    },
    get isIdle() {
      return isIdle
    },
    get wakeAtMs() {
      return memory.writtenWakeMs ?? null
    },
    get seenNews() {
      return memory.seenNews
    },
    start() {
      turning = true
      start().catch(crashed)
    },
    taskFinished,
    childEnded(child) {
      count()
      if (memory.replaying) earlyChildren.push(child)
      else offerChild(child)
      turn()
    },
    signalled(signal) {
      count()
      knownSignals.add(signal.id)
      signals.push(signal)
      turn()
    },
    cancelRequested() {
      count()
      isCancelHeard = true
      inbox.push(CANCEL)
      turn()
    },
    hear,
    hearAll,
    openRefs() {
      const open = [...pending.values()].filter(({ ref, answered }) => ref !== undefined && !answered)
      const of = (kind: 'task' | 'run'): string[] =>
        open.filter(({ command }) => command.kind === kind).map(({ ref }) => ref as string)
      return { tasks: of('task'), children: of('run') }
    },
    quiesce: () =>
      new Promise((resolve) => {
        quiet = resolve
        if (memory.over || !isExecuting()) resolve()
      }),
    drop,
  }
}
