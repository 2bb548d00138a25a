/** What must hold when all is over: all that was promised is done, nothing finished was done again, nothing stale was taken. */
import { type Check, makeCheck, repeats } from '../kill/checks.ts'
import { doomedTask, hopelessTask, TURNS } from './code/work.ts'
import type { ChaosEffect } from './effects.ts'
import type { DoneFault } from './faults.ts'
import type { Promised } from './load.ts'
import type { Remains, TaskRow } from './remains.ts'

export interface Story {
  readonly promised: readonly Promised[]
  readonly refusals: readonly string[]
  readonly faults: readonly DoneFault[]
  readonly remains: Remains
  readonly effects: readonly ChaosEffect[]
  /** Calls of the model for that turn of that run. */
  readonly modelCalls: (runId: string, turnKey: string) => number
  /** Jobs that nobody took, and rows that are not over. */
  readonly queues: readonly string[]
  readonly unfinished: readonly string[]
  /** Processes that ended though nobody had harmed them, and other surprises of the machinery. */
  readonly surprises: readonly string[]
}

const groupBy = <T>(values: readonly T[], keyOf: (value: T) => string): Map<string, T[]> => Map.groupBy(values, keyOf)

const brokenWords = ({ promised, remains }: Story): string[] => {
  const rows = new Map([...remains.runs, ...remains.tasks].map((row) => [row.id, row]))
  return promised.flatMap(({ what, kind, id, end }) => {
    const row = rows.get(id)
    if (row?.status === end) return []
    return [`the ${what} ${kind} ${id} is ${row ? JSON.stringify({ ...row, output: '…' }) : 'gone'}, expected ${end}`]
  })
}

const wrongDeaths = ({ promised, remains }: Story): string[] => {
  const dead = groupBy(remains.dead, ({ taskId }) => taskId)
  const lost = new Map(remains.tasks.map((task) => [task.id, task.lost]))
  return promised.flatMap(({ kind, id, end }) => {
    const letters = dead.get(id) ?? []
    if (end !== 'dead') return letters.map(({ reason }) => `the task ${kind} ${id} is dead: ${reason}`)
    if (letters.length !== 1) return [`the task ${kind} ${id} has ${letters.length} dead letters`]
    const [{ reason, attempts }] = letters as [(typeof letters)[0]]
    const counted = attempts - (lost.get(id) ?? 0)
    if (kind === doomedTask.name && (reason !== 'attempts_used_up' || counted !== 3))
      return [`${kind} ${id}: ${reason} after ${counted} attempts`]
    if (kind === hopelessTask.name && (reason !== 'not_retryable' || counted !== 1))
      return [`${kind} ${id}: ${reason} after ${counted} attempts`]
    return []
  })
}

const namesOf = (effects: readonly ChaosEffect[]): string =>
  effects
    .map(({ attempt, pid, atMs }) => `attempt ${attempt} by process ${pid} at ${new Date(atMs).toISOString()}`)
    .join(', ')

/** A task's effect may stand several times only where each earlier attempt lost its process. */
const tasksTwice = ({ remains, effects, faults }: Story): string[] => {
  const harmed = new Set(faults.flatMap(({ pids }) => pids))
  const tasks = new Map(remains.tasks.map((task) => [task.id, task]))
  return [...groupBy(effects, ({ idempotencyKey }) => idempotencyKey)].flatMap(([id, done]) => {
    const task = tasks.get(id)
    if (!task) return []
    const where = `${done[0]?.step} (${id})`
    const sameAttempt = repeats(done.map(({ attempt }) => String(attempt)))
    if (sameAttempt.size > 0) return [`${where}: one attempt had two effects: ${namesOf(done)}`]
    const tooLate = done.filter(({ attempt }) => attempt > task.attempt)
    if (tooLate.length > 0) return [`${where}: ended at attempt ${task.attempt}, but ${namesOf(tooLate)}`]
    const unexplained = done.filter(({ attempt, pid }) => attempt < task.attempt && !harmed.has(pid))
    return unexplained.length > 0 ? [`${where} was done again though nobody harmed its process: ${namesOf(done)}`] : []
  })
}

/** The value that a task ended with is that of its last attempt. */
const staleTasks = ({ remains, effects }: Story): string[] => {
  const done = groupBy(effects, ({ idempotencyKey }) => idempotencyKey)
  const isWrong = (task: TaskRow): boolean => {
    const mine = done.get(task.id)
    if (!mine || task.status !== 'completed') return false
    return JSON.parse(task.output ?? 'null') !== mine.find(({ attempt }) => attempt === task.attempt)?.value
  }
  const wrong = remains.tasks
    .filter(isWrong)
    .map((task) => `the task ${task.id} ended at attempt ${task.attempt} with a value that is not of that attempt`)
  const undone = remains.tasks.filter(
    (task) => task.kind === 'chaos-effect' && task.status === 'completed' && !done.has(task.id),
  )
  return [...wrong, ...undone.map(({ id }) => `the task ${id} is completed, but nobody did it`)]
}

const stepsTwice = ({ remains, effects, faults }: Story): string[] => {
  const harmed = new Set(faults.flatMap(({ pids }) => pids))
  const done = groupBy(effects, ({ idempotencyKey }) => idempotencyKey)
  return remains.journal
    .filter(({ kind, outcome, runId, key }) => kind === 'step' && outcome === 'ok' && done.has(`${runId}/${key}`))
    .flatMap(({ runId, key, value, atMs }) => {
      const mine = done.get(`${runId}/${key}`) as ChaosEffect[]
      const told = mine.find((effect) => JSON.stringify(effect.value) === value)
      if (!told) return [`${key} of ${runId}: journaled is ${value}, which no effect had: ${namesOf(mine)}`]
      const others = mine.filter((effect) => effect !== told)
      const unexplained = others.filter(({ pid }) => !harmed.has(pid))
      if (unexplained.length > 0)
        return [`${key} of ${runId} ran again though nobody harmed its process: ${namesOf(mine)}`]
      const after = others.filter(
        ({ startedMs, pid }) => startedMs > atMs && pid !== told.pid && !frozenAt(faults, pid),
      )
      return after.length > 0
        ? [`${key} of ${runId} was journaled at ${new Date(atMs).toISOString()} and ran again: ${namesOf(after)}`]
        : []
    })
}

/** A process that was frozen may do one more thing before it hears that others have taken over; its result is refused. */
const frozenAt = (faults: readonly DoneFault[], pid: number): boolean =>
  faults.some(({ kind, pids }) => kind.startsWith('freeze') && pids.includes(pid))

const journalFaults = ({ remains }: Story): string[] =>
  [...groupBy(remains.journal, ({ runId }) => runId)].flatMap(([runId, lines]) => {
    const gaps = lines.filter((line, i) => line.position !== i + 1).map((line) => `${runId}: a gap at ${line.position}`)
    const twice = repeats(lines.filter(({ kind }) => kind !== 'attempt').map(({ key, kind }) => `${kind} ${key}`))
    return [...gaps.slice(0, 1), ...[...twice].map(([key, count]) => `${runId}: ${key} is told ${count} times`)]
  })

const ENDS = /^(run\.(completed|failed|cancelled|timed_out)|task\.(completed|failed|dead|cancelled))$/

const endedTwice = ({ remains }: Story): string[] => {
  const subjectOf = ({ type, runId, taskId }: Remains['events'][number]): string =>
    `${type.split('.')[0]} ${type.startsWith('task.') ? taskId : runId}`
  const ofThem = remains.events.filter(({ type }) => /^(run|task)\./.test(type))
  return [...groupBy(ofThem, subjectOf)].flatMap(([subject, events]) => {
    const ends = events.filter(({ type }) => ENDS.test(type))
    if (ends.length > 1)
      return [`the ${subject} has ended ${ends.length} times: ${ends.map(({ type }) => type).join(', ')}`]
    const after = ends[0] ? events.slice(events.indexOf(ends[0]) + 1) : []
    return after.map(({ type }) => `the ${subject} has "${type}" after its end`)
  })
}

/** Each run answers with the values that were journaled, so that what it was told is what was done. */
const wrongOutputs = ({ remains, effects }: Story): string[] => {
  const values = new Set(effects.map(({ value }) => value))
  return remains.runs
    .filter(({ target, status }) => target === 'chaos-run' && status === 'completed')
    .flatMap(({ id, output }) => {
      const unknown = Object.entries(JSON.parse(output ?? '{}') as Record<string, string>).filter(
        ([, value]) => !values.has(value),
      )
      return unknown.map(([step]) => `${id} was told a value for ${step} that no effect had`)
    })
}

const wrongTurns = ({ remains, modelCalls }: Story): string[] => {
  const turns = groupBy(
    remains.journal.filter(({ kind, key }) => kind === 'step' && /^turn(#\d+)?$/.test(key)),
    ({ runId }) => runId,
  )
  return remains.runs
    .filter(({ kind, status }) => kind === 'agent' && status === 'completed')
    .flatMap(({ id, fence }) => {
      const mine = turns.get(id) ?? []
      const count = mine.length === TURNS ? [] : [`the agent run ${id} has ${mine.length} turns, expected ${TURNS}`]
      const calls = mine.reduce((sum, { key }) => sum + modelCalls(id, key), 0)
      // One call may be under way each time that the run changes hands; it has no result and is asked for again.
      return calls > TURNS + fence
        ? [...count, `the agent run ${id} made ${calls} calls for ${TURNS} turns under ${fence} owners`]
        : count
    })
}

const tooEarly = ({ promised, effects }: Story): string[] => {
  const first = new Map(effects.toReversed().map((effect) => [effect.idempotencyKey, effect]))
  return promised.flatMap(({ id, notBeforeMs }) => {
    const startedMs = first.get(id)?.startedMs
    return notBeforeMs !== undefined && startedMs !== undefined && startedMs < notBeforeMs
      ? [`the task ${id} began ${notBeforeMs - startedMs} ms before its time`]
      : []
  })
}

export const judge = (story: Story): Check[] => [
  makeCheck('all that the API had promised is completed, or dead where it had to be', brokenWords(story)),
  makeCheck('what is dead is dead once, for the right reason, after the right number of attempts', wrongDeaths(story)),
  makeCheck('no request was refused for good', story.refusals),
  makeCheck('no task was done again unless its process had been harmed', tasksTwice(story)),
  makeCheck('no journaled step ran again', stepsTwice(story)),
  makeCheck('no stale result was taken: each task ended with the value of its last attempt', staleTasks(story)),
  makeCheck('every run was told what was done', wrongOutputs(story)),
  makeCheck('each journal is without gaps and tells each thing once', journalFaults(story)),
  makeCheck('everything ended once, and nothing happened to it afterwards', endedTwice(story)),
  makeCheck('no turn of an agent was paid twice but for calls under way', wrongTurns(story)),
  makeCheck('nothing began before its time', tooEarly(story)),
  makeCheck('nothing is left under way in the database', story.unfinished),
  makeCheck('the queues in Redis are empty', story.queues),
  makeCheck('no process ended by itself', story.surprises),
]
