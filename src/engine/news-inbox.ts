/**
 * What a live run is to be told and has not been yet, in the order in which it came: ends of tasks and children, signals, cancellation.
 * Some of it is said by this very process, the rest is read from the database.
 */
import type { Json } from '../platform/json.ts'
import { CANCEL, childNews, type News, signalNews, taskNews } from './news.ts'
import type { Pending } from './pending.ts'
import type { RunHistory } from './replay.ts'
import type { SignalRow } from './rows.ts'
import type { RunMemory } from './run-memory.ts'
import type { FinishedTask, TaskResult } from './task-port.ts'
import type { Run } from './types.ts'

/** What others have left for a run, as the database has it. */
export interface Found {
  /** Those that have ended. */
  readonly tasks: readonly TaskResult[]
  readonly children: readonly Run[]
  readonly signals: readonly SignalRow[]
  readonly cancelled: boolean
}

/** The side that others tell. */
export interface RunEar {
  /** False when the run does not wait for that task (any more). */
  taskFinished(task: FinishedTask): boolean
  /** These three come from this very process, on a database that belongs to it: each is one piece of news. */
  childEnded(child: Run): void
  signalled(signal: SignalRow): void
  cancelRequested(): void
  /** Takes what was found of its `news`; false when there must be more than that, unless what was found `isEverything`. */
  hear(news: number, found: Found, isEverything?: boolean): boolean
  /** The tasks and children that it waits for. */
  openRefs(): { readonly tasks: string[]; readonly children: string[] }
}

/** The side of the run itself. */
export interface NewsInbox {
  readonly ear: RunEar
  readonly isEmpty: boolean
  /** An answer to a command that waits. */
  offer(news: News, found: Pending): void
  shift(): News | undefined
  /** The end of that task, if it is here: out of turn, since its command was called off. */
  takeEnd(taskId: string): FinishedTask | undefined
  /** The run did not want it: a signal is kept for whoever asks for it next. */
  putBack(news: News): void
  /** Gives the signals that are here to the commands that wait for them. */
  matchSignals(): void
  /** The journal is told: what came meanwhile is told now, and the signals that nobody has taken yet. */
  replayed(signals: readonly SignalRow[]): void
  /** The run is let go: whoever brought the end of a task commits it. */
  refuseAll(): void
}

export interface NewsInboxOptions {
  readonly memory: RunMemory
  readonly history: RunHistory | undefined
  /** There is something to tell. */
  turn(): void
  /** It could not hear of news just now: it is to be told again. */
  hearAgain(): void
}

const notWaitedFor = (task: FinishedTask): Error => new Error(`the run does not wait for the task ${task.taskId}`)

export const makeNewsInbox = ({ memory, history, turn, hearAgain }: NewsInboxOptions): NewsInbox => {
  const { pending, run } = memory
  const inbox: News[] = []
  const signals: SignalRow[] = []
  /** Tasks and children that ended while the journal was being replayed. */
  const earlyTasks: FinishedTask[] = []
  const earlyChildren: Run[] = []
  /** It was to hear of news while the journal was being replayed. */
  let wasToldEarly = false
  const knownSignals = new Set(history?.signals.map((signal) => signal.id))
  let isCancelHeard = run.cancelRequestedAtMs !== null

  const offer = (news: News, found: Pending): void => {
    if (memory.over || found.answered) return
    found.answered = true
    inbox.push(news)
  }

  /** A task or a child has ended; false when no command waits for that one (any more). */
  const answer = (news: News, found = pending.get(news.key)): boolean => {
    if (found?.ref !== news.ref || found.answered) return false
    offer(news, found)
    return true
  }

  const keep = (signal: SignalRow): void => {
    knownSignals.add(signal.id)
    signals.push(signal)
  }

  const cancel = (): void => {
    isCancelHeard = true
    inbox.push(CANCEL)
  }

  const taskFinished = (task: FinishedTask): boolean => {
    if (memory.over) return false
    if (memory.replaying) {
      earlyTasks.push(task)
      return true
    }
    const { stepKey, taskId, outcome, value } = task
    // Called off by this very turn, which has not planned its end yet: it ended by itself, and the turn writes that.
    const calledOff = pending.calledOffBy(taskId)
    if (!answer(taskNews(stepKey, taskId, outcome, value, task), calledOff)) return false
    turn()
    return true
  }

  /** Puts what is new to it into the inbox, and says how much that is. */
  const take = (found: Found): number => {
    let fresh = 0
    for (const { taskId, stepKey, outcome, value } of found.tasks) {
      if (outcome && answer(taskNews(stepKey, taskId, outcome, value as Json))) fresh++
    }
    for (const child of found.children) {
      if (child.finishedAtMs !== null && answer(childNews(child))) fresh++
    }
    for (const signal of found.signals) {
      if (knownSignals.has(signal.id)) continue
      keep(signal)
      fresh++
    }
    if (found.cancelled && !isCancelHeard) {
      cancel()
      fresh++
    }
    return fresh
  }

  /** Others have written the row: it has that much news, and another moment to wake. */
  const seen = (news: number): void => {
    memory.seenNews = Math.max(memory.seenNews, news)
    memory.writtenWakeMs = undefined
  }

  return {
    ear: {
      taskFinished,
      childEnded(child) {
        seen(memory.seenNews + 1)
        if (memory.replaying) earlyChildren.push(child)
        else answer(childNews(child))
        turn()
      },
      signalled(signal) {
        seen(memory.seenNews + 1)
        keep(signal)
        turn()
      },
      cancelRequested() {
        seen(memory.seenNews + 1)
        cancel()
        turn()
      },
      hear(news, found, isEverything = false) {
        if (memory.over) return true
        if (memory.replaying) {
          wasToldEarly = true
          return true
        }
        const isExplained = news - memory.seenNews <= take(found) || isEverything
        if (isExplained) seen(news)
        turn()
        return isExplained
      },
      openRefs() {
        const open = [...pending.values()].filter(({ ref, answered }) => ref !== undefined && !answered)
        const of = (kind: 'task' | 'run'): string[] =>
          open.filter(({ command }) => command.kind === kind).map(({ ref }) => ref as string)
        return { tasks: of('task'), children: of('run') }
      },
    },
    get isEmpty() {
      return inbox.length === 0
    },
    offer,
    shift: () => inbox.shift(),
    takeEnd(taskId) {
      const index = inbox.findIndex(({ task }) => task?.taskId === taskId)
      return index < 0 ? undefined : inbox.splice(index, 1)[0]?.task
    },
    putBack({ signal }) {
      if (signal) signals.unshift(signal)
    },
    matchSignals() {
      if (signals.length === 0) return
      for (const found of pending.waits) {
        const { command } = found
        if (command.kind !== 'signal' || found.answered) continue
        const index = signals.findIndex((signal) => signal.name === command.name)
        const [signal] = index < 0 ? [] : signals.splice(index, 1)
        if (signal) offer(signalNews(command.key, signal), found)
      }
    },
    replayed(untaken) {
      // They came before those that were sent during the replay.
      signals.unshift(...untaken)
      for (const task of earlyTasks.splice(0)) if (!taskFinished(task)) task.failed(notWaitedFor(task))
      for (const child of earlyChildren.splice(0)) answer(childNews(child))
      if (run.cancelRequestedAtMs !== null && !memory.cancelled) inbox.push(CANCEL)
      if (wasToldEarly) hearAgain()
    },
    refuseAll() {
      for (const task of earlyTasks.splice(0)) task.failed(notWaitedFor(task))
      // Ends that came during the last turn: whoever brought them commits them.
      for (const { task } of inbox.splice(0)) task?.failed(notWaitedFor(task))
    },
  }
}
