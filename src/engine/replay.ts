/** Reading a journal back: what each entry said, and whether the code still asks for it. */
import type { Json } from '../platform/json.ts'
import { childNews, type News, resultOfChild, taskNews } from './news.ts'
import type { Pending, PendingTable } from './pending.ts'
import type { SignalRow } from './rows.ts'
import type { TaskResult } from './task-port.ts'
import type { JournalEntry, Run } from './types.ts'

/** What is known of a run besides its row when it is rebuilt. */
export interface RunHistory {
  readonly journal: readonly JournalEntry[]
  readonly tasks: readonly TaskResult[]
  readonly children: readonly Run[]
  readonly signals: readonly SignalRow[]
}

/** Why an entry does not fit what the code asks for, or undefined when it does. */
export const mismatch = (entry: JournalEntry, pending: PendingTable): string | undefined => {
  if (entry.kind === 'cancel') return undefined
  const found = pending.get(entry.key)
  const at = `entry ${entry.position} of the journal is the ${entry.kind} "${entry.key}"`
  if (!found) {
    const asked = [...pending.values()].map((p) => `"${p.command.key}"`).slice(0, 5)
    return `${at}, which the code does not ask for at this point; it asks for ${asked.join(', ') || 'nothing'}`
  }
  const kind = entry.kind === 'attempt' ? 'step' : entry.kind
  return found.command.kind === kind ? undefined : `${at}, but the code asks for a ${found.command.kind} of that name`
}

/** Gives an entry's value: its own, or that of the task or child run that it refers to. */
export const makeValueOf = (history: RunHistory): ((entry: JournalEntry) => Json) => {
  const tasks = new Map(history.tasks.map((task) => [task.taskId, task.value as Json]))
  const children = new Map(history.children.map((child) => [child.id, resultOfChild(child).value]))
  return (entry) => {
    if (entry.value !== null || entry.ref === null) return entry.value
    if (entry.kind === 'task') return tasks.get(entry.ref) ?? null
    return entry.kind === 'run' ? (children.get(entry.ref) ?? null) : null
  }
}

/** What the tasks and children of waiting commands brought in the meantime, and the signals that nobody has taken yet. */
export interface Reconciled {
  readonly answers: readonly { readonly news: News; readonly pending: Pending }[]
  readonly signals: readonly SignalRow[]
}

/** After a replay: ties the commands that still wait to their tasks and children. A text says why the code does not fit them. */
export const reconcile = (history: RunHistory, pending: PendingTable): Reconciled | string => {
  const told = new Set(history.journal.map((entry) => entry.ref))
  const answers: { news: News; pending: Pending }[] = []
  for (const task of history.tasks) {
    if (told.has(task.taskId)) continue
    const found = pending.get(task.stepKey)
    if (!found && task.outcome) continue
    if (found?.command.kind !== 'task' || found.command.resource !== task.kind) {
      const asked = found ? `a ${found.command.kind}` : 'nothing'
      return `the run has an open task "${task.stepKey}" (${task.kind}), but the code asks for ${asked} of that name`
    }
    found.ref = task.taskId
    if (!task.outcome) continue
    answers.push({ news: taskNews(task.stepKey, task.taskId, task.outcome, task.value as Json), pending: found })
  }
  for (const child of history.children) {
    const found = told.has(child.id) ? undefined : pending.get(child.parentKey as string)
    if (!found) continue
    found.ref = child.id
    if (child.finishedAtMs !== null) answers.push({ news: childNews(child), pending: found })
  }
  return { answers, signals: history.signals.filter((signal) => !told.has(signal.id)) }
}
