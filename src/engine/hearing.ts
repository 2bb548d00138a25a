/**
 * What others have left for runs that live here, read from the database in one go for all that were told of in the same moment. A
 * hint names what to look at; where it does not explain all of a run's news, everything that the run waits for is looked at.
 */
import type { LiveRun } from './live-run.ts'
import type { RunRepository } from './repository.ts'
import type { TaskPort } from './task-port.ts'

/** What is said to have come: the wake-up without a hint means anything. */
export interface Hint {
  readonly taskId?: string | undefined
  readonly childId?: string | undefined
}

export interface HearingOptions {
  readonly runs: RunRepository
  readonly tasks: TaskPort
  get(runId: string): LiveRun | undefined
  /** The run that lives here is not this process's any more. */
  onTaken(runId: string): void
  onError(error: unknown, runIds: readonly string[]): void
}

export interface Hearing {
  ask(runId: string, hint?: Hint): void
  /** Resolves when nothing is being read. */
  settled(): Promise<void>
}

interface Asked {
  readonly tasks: string[]
  readonly children: string[]
}

export const makeHearing = ({ runs, tasks, get, onTaken, onError }: HearingOptions): Hearing => {
  let asked = new Map<string, Asked>()
  let reading: Promise<void> | undefined

  const livingAmong = async (
    runIds: readonly string[],
  ): Promise<{ live: LiveRun; news: number; cancelled: boolean }[]> => {
    const rows = new Map((await runs.newsOf(runIds)).map((row) => [row.id, row]))
    return runIds.flatMap((runId) => {
      const live = get(runId)
      const row = rows.get(runId)
      if (!live) return []
      if (row?.fence === live.run.fence) return [{ live, news: row.news, cancelled: row.cancelRequested }]
      // What was read before it came here says nothing of it.
      if (row && row.fence < live.run.fence) ask(runId)
      else onTaken(runId)
      return []
    })
  }

  /** What the hints name; returns the runs that have more news than that. */
  const readHinted = async (batch: ReadonlyMap<string, Asked>): Promise<string[]> => {
    const all = [...batch.values()]
    const [living, ended, children] = await Promise.all([
      livingAmong([...batch.keys()]),
      tasks.ended(all.flatMap((one) => one.tasks)),
      runs.byIds(all.flatMap((one) => one.children)),
    ])
    return living.flatMap(({ live, news, cancelled }) => {
      const { id } = live.run
      const found = {
        tasks: ended.filter((task) => task.runId === id),
        children: children.filter((child) => child.parentRunId === id),
        signals: [],
        cancelled,
      }
      return live.hear(news, found) ? [] : [id]
    })
  }

  const readAll = async (runIds: readonly string[]): Promise<void> => {
    // First how much there is, then what: what comes in between is told of again.
    const living = await livingAmong(runIds)
    const refs = living.map(({ live }) => live.openRefs())
    const [ended, children, signals] = await Promise.all([
      tasks.ended(refs.flatMap((one) => one.tasks)),
      runs.byIds(refs.flatMap((one) => one.children)),
      Promise.all(living.map(({ live }) => runs.signals(live.run.id))),
    ])
    living.forEach(({ live, news, cancelled }, i) => {
      const { id } = live.run
      const found = {
        tasks: ended.filter((task) => task.runId === id),
        children: children.filter((child) => child.parentRunId === id),
        signals: signals[i] ?? [],
        cancelled,
      }
      live.hear(news, found, true)
    })
  }

  const read = async (): Promise<void> => {
    await new Promise<void>((resolve) => setImmediate(resolve))
    while (asked.size > 0) {
      const batch = asked
      asked = new Map()
      try {
        const rest = await readHinted(batch)
        if (rest.length > 0) await readAll(rest)
      } catch (error) {
        onError(error, [...batch.keys()])
      }
    }
    reading = undefined
  }

  const ask: Hearing['ask'] = (runId, { taskId, childId } = {}) => {
    const known = asked.get(runId) ?? { tasks: [], children: [] }
    asked.set(runId, known)
    if (taskId) known.tasks.push(taskId)
    if (childId) known.children.push(childId)
    reading ??= read()
  }

  return {
    ask,
    settled: async () => reading,
  }
}
