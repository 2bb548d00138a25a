/**
 * A run in memory. Its function goes on until every branch waits; what it asked for, what it was told and the events of both
 * are committed in one unit (a turn); only then is anything carried out. After a crash the same function is told the journal again.
 */
import { isRefusedData } from '../platform/db/errors.ts'
import { messageOf } from '../platform/errors.ts'
import type { Json } from '../platform/json.ts'
import { engineErrors, toErrorRecord } from './errors.ts'
import type { LiveRunEnv } from './live-run-env.ts'
import { type News, signalTimeoutNews, stepNews, timerNews } from './news.ts'
import { makeNewsInbox, type RunEar } from './news-inbox.ts'
import type { Pending } from './pending.ts'
import { makeValueOf, mismatch, type RunHistory, reconcile } from './replay.ts'
import { finishRun, insertJournal, stoppedBy } from './rows.ts'
import { makeRunFunction } from './run-function.ts'
import { makeRunMemory } from './run-memory.ts'
import { startStep } from './step-attempt.ts'
import { addEnd, fenceOf, makeTurnPlanner, newTurn, type Turn } from './turn.ts'
import { commitTurn, isStaleTask, stepsOnly } from './turn-commit.ts'
import type { Run, WorkflowFunction } from './types.ts'

export interface LiveRun extends RunEar {
  readonly run: Run
  readonly isIdle: boolean
  /** When it next has something to do. */
  readonly wakeAtMs: number | null
  /** Pieces of news that it knows of; the row has more when a push was lost. */
  readonly seenNews: number
  /** Replays what is known and goes on. */
  start(): void
  /** Starts no further step; resolves when those under way are journaled. */
  quiesce(): Promise<void>
  /** Lets go of the run without a trace: timers off, steps aborted. */
  drop(): void
}

/** A step that runs longer than this is told of in the timeline before it ends. */
const ANNOUNCE_AFTER_MS = 25
/** With more open commands than this, long steps are not told of: looking for them would cost too much. */
const ANNOUNCE_MAX = 1000

export const makeLiveRun = (
  run: Run,
  program: WorkflowFunction,
  history: RunHistory | undefined,
  env: LiveRunEnv,
): LiveRun => {
  const memory = makeRunMemory(run, history !== undefined, env.clock)
  const { pending, record } = memory
  const inbox = makeNewsInbox({ memory, history, turn: () => turn(), hearAgain: () => env.hearAgain(run.id) })
  const { begin, tell, drained } = makeRunFunction(memory, program, () => turn())
  let turning = false
  let isIdle = false
  let announceDue = false
  let disarmWake: (() => void) | undefined
  let disarmAnnounce: (() => void) | undefined
  /** Set when no further step may start; called when none is under way. */
  let quiet: (() => void) | undefined

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
    for (const { news, pending: waiting } of found.answers) inbox.offer(news, waiting)
    // The waits that this journal led to are in the timeline already.
    if (memory.position > 0) for (const found of pending.waits) found.announced = true
    memory.replaying = false
    record('run.resumed', { position: memory.position })
    inbox.replayed(found.signals)
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

  // ---- steps and what falls due -----------------------------------------------------------------------------------------------

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
      inbox.offer(
        stepNews(command.key, answer, { attempt, durationMs: endedAtMs - startedAtMs, nowMs: endedAtMs }),
        found,
      )
      turn()
    })
  }

  /** Acts on what has fallen due. */
  const collectDue = (): void => {
    const atMs = env.clock.now()
    for (const found of [...pending.waits]) {
      const { command } = found
      if (found.answered) continue
      const isDue = (dueMs: number | undefined): boolean => dueMs !== undefined && dueMs <= atMs
      if (command.kind === 'timer' && isDue(command.dueMs)) inbox.offer(timerNews(command.key), found)
      else if (command.kind === 'signal' && isDue(command.dueMs)) inbox.offer(signalTimeoutNews(command), found)
      else if (isDue(found.retryAtMs)) executeStep(found)
    }
  }

  // ---- a turn -----------------------------------------------------------------------------------------------------------------

  const isWanted = (news: News): boolean =>
    memory.outcome === undefined && (news.kind === 'cancel' ? !memory.cancelled : pending.get(news.key) !== undefined)

  const tellAll = async (turnOf: Turn): Promise<void> => {
    const { told, writes } = turnOf
    for (;;) {
      inbox.matchSignals()
      const news = inbox.shift()
      if (!news) return
      if (news.task) addEnd(turnOf, memory, news.task)
      if (!isWanted(news)) {
        inbox.putBack(news)
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

  /** It is not written: what it reserved is free again, and whoever brought the ends of its tasks commits them. */
  const giveUp = ({ undo, toldTasks }: Turn, error: unknown): void => {
    for (const giveBack of undo) giveBack()
    for (const task of toldTasks) task.failed(error)
  }

  const commit = async (turnOf: Turn): Promise<boolean> => {
    const { writes, guards } = turnOf
    if (writes.length === 0 && !(announceDue && memory.events.length > 0)) return true
    const { events } = memory
    memory.events = []
    announceDue = false
    try {
      await commitTurn({ guards: [fenceOf(run), ...guards], writes, events }, turnOf.toldTasks, committing)
      for (const task of turnOf.toldTasks) task.committed?.()
      return true
    } catch (error) {
      giveUp(turnOf, error)
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

  const committing = {
    ...{ clock: env.clock, commit: env.commit, ended: env.tasks.ended },
    isOver: () => memory.over,
  }

  /** What steps have done in a turn that was refused is not done again when the run is rebuilt. */
  const keepSteps = async ({ told }: Turn): Promise<void> => {
    const unit = stepsOnly(run, told, memory.position - told.length)
    if (unit) await commitTurn(unit, [], committing)
  }

  const takeTurn = async (): Promise<void> => {
    const turnOf = newTurn()
    try {
      await tellAll(turnOf)
      const isLate = run.deadlineAtMs !== null && run.deadlineAtMs <= env.clock.now()
      if (memory.outcome || isLate) planner.planEnd(turnOf)
      else await planner.planNext(turnOf)
    } catch (error) {
      giveUp(turnOf, error)
      throw error
    }
    if (!(await commit(turnOf))) return
    for (const act of turnOf.after) act()
  }

  const hasMore = (): boolean =>
    !inbox.isEmpty || memory.outcome !== undefined || pending.hasNew() || memory.writtenWakeMs === undefined

  const loop = async (): Promise<void> => {
    setIdle(false)
    do {
      await takeTurn()
      if (memory.over) return
      collectDue()
      inbox.matchSignals()
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
    inbox.refuseAll()
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
  const planner = makeTurnPlanner(
    memory,
    { ...env, payloadLimitBytes },
    { executeStep, offer: inbox.offer, takeEnd: inbox.takeEnd, end },
  )

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
    ...inbox.ear,
    quiesce: () =>
      new Promise((resolve) => {
        quiet = resolve
        if (memory.over || !isExecuting()) resolve()
      }),
    drop,
  }
}
