/** What must hold when all is over, besides what the witness saw on the way. */
import type { RunView } from '../../src/sdk/index.ts'
import { type Check, makeCheck, repeats } from './checks.ts'
import type { Effect } from './effects.ts'
import type { Remains } from './remains.ts'
import { PROMISES, type Promised, type Witness } from './witness.ts'

type Ended = Pick<RunView, 'id' | 'status' | 'output' | 'error'>

export interface Story {
  readonly steps: number
  readonly turns: number
  readonly kills: number
  readonly run: Ended
  readonly agent: Ended
  /** Calls of the model in all. */
  readonly modelCalls: number
  /** Ids of tasks of their own that the API had promised to do. */
  readonly promised: readonly string[]
  readonly remains: Remains
  readonly effects: readonly Effect[]
}

const notCompleted = ({ status, error }: Ended): string[] =>
  status === 'completed' ? [] : [`it is ${status}: ${JSON.stringify(error)}`]

/** The run was told, for each step, a value that its effect really had: the last one written, for a repeat replaces the earlier. */
const wrongValues = ({ steps, run, effects }: Story): string[] => {
  const values = (run.output ?? {}) as Record<string, string>
  const lastOf = new Map(effects.map((effect) => [effect.step, effect.value]))
  const names = Array.from({ length: steps }, (_, i) => `step ${i}`)
  return names.flatMap((name) => {
    const [told, done] = [values[name], lastOf.get(name)]
    return told !== undefined && told === done ? [] : [`${name}: the run was told ${told}, the last effect is ${done}`]
  })
}

const changedKeys = ({ effects }: Story): string[] => {
  const keys = new Map<string, Set<string>>()
  for (const { step, idempotencyKey } of effects) keys.set(step, (keys.get(step) ?? new Set()).add(idempotencyKey))
  return [...keys].filter(([, set]) => set.size > 1).map(([step, set]) => `${step}: ${[...set].join(', ')}`)
}

const journalGaps = ({ remains, run, agent }: Story): string[] =>
  [run, agent].flatMap(({ id }) => {
    const lines = remains.journal.filter((line) => line.runId === id)
    const gaps = lines.filter((line, i) => line.position !== i + 1).map((line) => `${id}: a gap at ${line.position}`)
    const twice = repeats(lines.filter((line) => line.kind !== 'attempt').map((line) => line.key))
    return [...gaps, ...[...twice].map(([key, count]) => `${id}: ${key} is told ${count} times`)]
  })

const taskTimeline = ({ remains }: Story): string[] => {
  const over = new Set<string>()
  return remains.events.flatMap(({ taskId, type }) => {
    const isAfterEnd = over.has(taskId as string)
    if (type === 'task.completed') over.add(taskId as string)
    return isAfterEnd ? [`the task ${taskId} has "${type}" after "task.completed"`] : []
  })
}

const brokenWords = ({ promised, remains, effects }: Story): string[] => {
  const status = new Map(remains.tasks.map((task) => [task.id, task.status]))
  const done = new Set(effects.map((effect) => effect.idempotencyKey))
  return promised.flatMap((id) => {
    if (status.get(id) !== 'completed') return [`the task ${id} is ${status.get(id) ?? 'gone'}`]
    return done.has(id) ? [] : [`the task ${id} is completed, but nobody did it`]
  })
}

const wrongTurns = ({ turns, kills, remains, agent, modelCalls }: Story): string[] => {
  const committed = remains.journal.filter((line) => line.runId === agent.id && line.kind === 'step').length
  const problems = committed === turns ? [] : [`${committed} turns are committed, expected ${turns}`]
  // One call may be under way at each kill; it has no result and is asked for again.
  if (modelCalls > turns + kills) problems.push(`${modelCalls} calls for ${turns} turns and ${kills} kills`)
  return problems
}

export const judge = (story: Story, witness: Witness): Check[] => [
  makeCheck(`the run of ${story.steps} steps completed`, notCompleted(story.run)),
  makeCheck('the run of the agent completed', notCompleted(story.agent)),
  ...(Object.keys(PROMISES) as Promised[]).map((name) => makeCheck(PROMISES[name], witness.broken[name])),
  makeCheck('the run was told for each step the value of its last effect', wrongValues(story)),
  makeCheck('every repeat of a step carried the same idempotency key', changedKeys(story)),
  makeCheck('each journal is without gaps and tells each step once', journalGaps(story)),
  makeCheck('no task has anything in its timeline after its completion', taskTimeline(story)),
  makeCheck('every task that the API had promised to do was done', brokenWords(story)),
  makeCheck('the model was asked once per committed turn, and once more per kill at most', wrongTurns(story)),
]
