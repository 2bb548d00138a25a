/**
 * Looks at what each killed process left behind and holds the next ones to it: what was committed as finished must stay as it was,
 * and must not be done again.
 */
import type { Effect } from './effects.ts'
import type { JournalLine, Remains, TaskLine } from './remains.ts'

/** A call of the model, as the stand-in counted it. */
export interface ModelCalls {
  /** Calls for that turn of that run so far. */
  of(runId: string, turnKey: string): number
}

export interface Seen {
  readonly remains: Remains
  readonly effects: readonly Effect[]
  readonly model: ModelCalls
}

export interface Witness {
  /** After each kill, and once after the last end. */
  look(seen: Seen): void
  /** What broke a promise, by promise. */
  readonly broken: Readonly<Record<Promised, readonly string[]>>
  /** Finished things that it has held later processes to. */
  readonly held: { readonly steps: number; readonly tasks: number; readonly turns: number }
}

export const PROMISES = {
  steps: 'no local step whose result was journaled ran again',
  tasks: 'no task whose end was committed ran again',
  turns: 'the model was never asked again for a turn whose result was committed',
  journal: 'no line of a journal was lost or changed',
} as const
export type Promised = keyof typeof PROMISES

const idOf = ({ runId, position }: JournalLine): string => `${runId}/${position}`

const isTurn = ({ key, kind }: JournalLine): boolean => kind === 'step' && /^turn(#\d+)?$/.test(key)

export const makeWitness = (): Witness => {
  const broken: Record<Promised, string[]> = { steps: [], tasks: [], turns: [], journal: [] }
  const journal = new Map<string, JournalLine>()
  /** Steps and tasks that are finished for good, by the key of their effects. */
  const steps = new Map<string, JournalLine>()
  const tasks = new Map<string, TaskLine>()
  const turns = new Map<string, { readonly line: JournalLine; readonly calls: number }>()
  let effectsSeen = 0

  const checkEffects = (effects: readonly Effect[]): void => {
    for (const { step, idempotencyKey, pid } of effects.slice(effectsSeen)) {
      const again = `"${step}" (${idempotencyKey}) was done again by process ${pid}`
      if (steps.has(idempotencyKey)) broken.steps.push(again)
      if (tasks.has(idempotencyKey)) broken.tasks.push(again)
    }
    effectsSeen = effects.length
  }

  const checkTurns = (model: ModelCalls): void => {
    for (const { line, calls } of turns.values()) {
      const now = model.of(line.runId, line.key)
      if (now > calls)
        broken.turns.push(`${line.key} was asked for ${calls} times until it was committed, ${now} by now`)
    }
  }

  const checkJournal = (lines: readonly JournalLine[]): void => {
    const found = new Map(lines.map((line) => [idOf(line), line]))
    for (const [id, before] of journal) {
      const now = found.get(id)
      if (now?.key !== before.key || now.value !== before.value) {
        broken.journal.push(`${id} was ${before.key} = ${before.value}, is ${now?.key} = ${now?.value}`)
      }
    }
  }

  const checkTasks = (lines: readonly TaskLine[]): void => {
    const found = new Map(lines.map((task) => [task.id, task]))
    for (const [id, before] of tasks) {
      const now = found.get(id)
      if (now?.status === before.status && now.attempt === before.attempt && now.output === before.output) continue
      broken.tasks.push(
        `the task ${id} was ${before.status} after ${before.attempt}, is ${now?.status} after ${now?.attempt}`,
      )
    }
  }

  return {
    broken,
    get held() {
      return { steps: steps.size, tasks: tasks.size, turns: turns.size }
    },
    look({ remains, effects, model }) {
      checkEffects(effects)
      checkTurns(model)
      checkJournal(remains.journal)
      checkTasks(remains.tasks)
      for (const line of remains.journal) {
        journal.set(idOf(line), line)
        if (isTurn(line)) turns.set(idOf(line), { line, calls: model.of(line.runId, line.key) })
        else if (line.kind === 'step') steps.set(`${line.runId}/${line.key}`, line)
      }
      for (const task of remains.tasks) if (task.status === 'completed') tasks.set(task.id, task)
    },
  }
}
