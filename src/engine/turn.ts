/** Plans what a turn writes: what the run's function newly asks for, what it called off, what its row says, and its end. */
import type { Guard, Write } from '../platform/db/statements.ts'
import type { Json } from '../platform/json.ts'
import type { RunCommand, SignalCommand, TaskCommand, TimerCommand } from './command.ts'
import { engineErrors, toErrorRecord } from './errors.ts'
import type { LiveRunEnv } from './live-run-env.ts'
import { childRefused, type News, type Told } from './news.ts'
import type { Pending } from './pending.ts'
import { finishRun, insertRun, leaveNews, type RunState, requestCancel, setRunWake, updateRun } from './rows.ts'
import type { RunMemory } from './run-memory.ts'
import { serialize } from './serialize.ts'
import type { FinishedTask } from './task-port.ts'
import type { Run } from './types.ts'

/** What one turn writes, and what is done after its commit or when it fails. */
export interface Turn {
  readonly guards: Guard[]
  readonly writes: Write[]
  /** Ends of tasks that are committed with it. */
  readonly toldTasks: FinishedTask[]
  /** All that was told in it, in order. */
  readonly told: Told[]
  readonly after: (() => void)[]
  readonly undo: (() => void)[]
}

export interface TurnActions {
  executeStep(found: Pending): void
  /** Puts an answer into the inbox. */
  offer(news: News, found: Pending): void
  /** The end of a task that came when all was told. */
  takeEnd(taskId: string): FinishedTask | undefined
  /** The run has ended, durably. */
  end(ended: Run): void
}

export const newTurn = (): Turn => ({ guards: [], writes: [], toldTasks: [], told: [], after: [], undo: [] })

/** The end of a task is written with the turn. */
export const addEnd = ({ toldTasks, guards, writes }: Turn, memory: RunMemory, task: FinishedTask): void => {
  toldTasks.push(task)
  guards.push(...task.guards)
  writes.push(...task.writes)
  memory.events.push(...task.events)
}

export const fenceOf = ({ id, fence }: Run): Guard => ({ table: 'runs', id, fence })

const WAITS = ['signal', 'run', 'timer'] as const

/** `signal` of `signal:NAME`. */
const kindOf = (waits: string | null): string | undefined => waits?.split(':', 1)[0]

/** As a run's row has it. */
const waitOf = ({ command }: Pending): string => {
  if (command.kind === 'signal') return `signal:${command.name}`
  if (command.kind === 'run') return `run:${command.target}`
  return command.kind === 'timer' ? 'timer' : 'retry'
}

export interface TurnPlanner {
  /** The run goes on: its new commands, what it called off, its row. */
  planNext(turn: Turn): Promise<void>
  /** The run has ended: its last row, and the end of what it still waits for. */
  planEnd(turn: Turn): void
}

export const makeTurnPlanner = (memory: RunMemory, env: LiveRunEnv, actions: TurnActions): TurnPlanner => {
  const { pending, record } = memory

  const planTask = (found: Pending, command: TaskCommand, { writes, after, undo }: Turn): void => {
    const { key: stepKey, resource: kind, input, retry, waitForToken, token, timeoutMs, heartbeatMs, delayMs } = command
    const { tenantId, projectId, id: runId } = memory.run
    const priority = command.priority ?? memory.run.priority
    const spec = { tenantId, projectId, runId, stepKey, kind, input, priority, retry, waitForToken, token }
    const planned = env.tasks.plan({ ...spec, timeoutMs, heartbeatMs, delayMs, limitKey: command.limitKey })
    found.ref = planned.id
    writes.push(...planned.writes)
    memory.events.push(...planned.events)
    after.push(planned.dispatch)
    undo.push(planned.abandon)
  }

  const planChild = async (found: Pending, command: RunCommand, { writes, after, undo }: Turn): Promise<void> => {
    try {
      const child = await env.planChild(memory.run, command)
      found.ref = child.id
      writes.push(insertRun(child))
      record('run.child', { step: command.key, childRunId: child.id, target: child.target })
      after.push(() => env.childBorn(child))
      undo.push(() => env.childAbandoned(child))
    } catch (error) {
      actions.offer(childRefused(command.key, error), found)
    }
  }

  const announce = (command: TimerCommand | SignalCommand): void => {
    if (command.kind === 'timer') record('timer.started', { timer: command.key, dueMs: command.dueMs })
    else record('signal.waiting', { signal: command.name, dueMs: command.dueMs })
  }

  const planNew = async (turn: Turn): Promise<readonly Pending[]> => {
    const asked = pending.takeNew()
    for (const found of asked) {
      const { command } = found
      // Found again by a replay: its task or child exists already, or its next try has a time.
      if (found.ref !== undefined || found.retryAtMs !== undefined) continue
      if (command.kind === 'step') turn.after.push(() => actions.executeStep(found))
      else if (command.kind === 'task') planTask(found, command, turn)
      else if (command.kind === 'run') await planChild(found, command, turn)
      else if (!found.announced) announce(command)
    }
    return asked
  }

  /** Ends what nobody waits for any more. */
  const planCalledOff = (called: readonly Pending[], turn: Turn): void => {
    const { writes, after } = turn
    for (const { ref, answered } of called) {
      const end = answered && ref !== undefined ? actions.takeEnd(ref) : undefined
      if (end) addEnd(turn, memory, end)
    }
    const { tenantId, projectId, id: runId } = memory.run
    const tasks = called.flatMap(({ ref, command, answered }) =>
      // Answered: its end is written with this turn.
      ref !== undefined && !answered && command.kind === 'task'
        ? [{ id: ref, tenantId, projectId, runId, kind: command.resource }]
        : [],
    )
    if (tasks.length > 0) {
      const planned = env.tasks.planCancel(tasks)
      writes.push(...planned.writes)
      memory.events.push(...planned.events)
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
    let dueMs = memory.run.deadlineAtMs ?? Number.POSITIVE_INFINITY
    for (const { command, retryAtMs } of pending.waits) {
      const commandDueMs = command.kind === 'timer' || command.kind === 'signal' ? command.dueMs : retryAtMs
      dueMs = Math.min(dueMs, commandDueMs ?? Number.POSITIVE_INFINITY)
    }
    return Number.isFinite(dueMs) ? Math.ceil(dueMs) : null
  }

  /** What the run waits for above all, when nothing of it is under way. */
  const foremost = (): Pending | undefined => {
    if (pending.size > pending.waits.size) return undefined
    for (const kind of WAITS) for (const wait of pending.waits) if (wait.command.kind === kind) return wait
    return pending.waits.values().next().value
  }

  const planState = ({ writes }: Turn, asked: readonly Pending[]): void => {
    const { id, workerId } = memory.run
    const wait = foremost()
    const waits = wait ? waitOf(wait) : null
    const status = wait ? 'waiting' : 'running'
    if (status !== memory.writtenStatus || waits !== memory.writtenWaits) {
      writes.push(updateRun(id, { status, waitingFor: waits, output: null, error: null, workerId, finishedAtMs: null }))
      // Of many that were asked for before, the next is told by the row alone: else there were an event for each of them.
      const isNews = wait && (asked.includes(wait) || kindOf(waits) !== kindOf(memory.writtenWaits))
      if (isNews) record('run.waiting', { for: waits })
      memory.writtenStatus = status
      memory.writtenWaits = waits
    }
    const wakeMs = nextWakeMs()
    if (wakeMs !== memory.writtenWakeMs) writes.push(setRunWake(id, memory.seenNews, wakeMs))
    memory.writtenWakeMs = wakeMs
  }

  const finalState = (): { state: RunState; output: Json } => {
    const { outcome, cancelled } = memory
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

  return {
    async planNext(turn) {
      const asked = await planNew(turn)
      planCalledOff(pending.takeCalledOff(), turn)
      planState(turn, asked)
    },
    planEnd(turn) {
      const { run } = memory
      const nowMs = env.clock.now()
      planCalledOff([...pending.takeCalledOff(), ...pending.values()], turn)
      const { state, output } = finalState()
      const durationMs = nowMs - run.createdAtMs
      const facts = { target: run.target, durationMs }
      record(`run.${state.status}`, state.error ? { ...facts, error: state.error as unknown as Json } : facts)
      turn.writes.push(finishRun(run.id, state))
      if (run.parentRunId) turn.writes.push(leaveNews(run.parentRunId, nowMs))
      const ended: Run = { ...run, ...state, output, wakeAtMs: null }
      turn.after.unshift(() => actions.end(ended))
    },
  }
}
