/** A flood of tasks that do nothing, with 1, 2 and 4 executors: accepted first and done then, and accepted while they are being done. */
import { atLeast, atMost, type Figure, makeFigure } from '../../figure.ts'
import type { HttpLoadInput, HttpLoadResult } from '../../programs/http-load.ts'
import type { Program } from '../../support/program.ts'
import type { ClusterMeasure } from '../measure.ts'
import { type Stage, WIDTH } from '../stage.ts'
import { type BareJobs, drainJobs } from '../support/bare-jobs.ts'
import type { Cost } from '../support/counters.ts'
import { notesOf } from '../support/notes.ts'
import { doneSince, fromNow } from '../support/tasks.ts'

const EXECUTORS = [1, 2, 4]
const SECONDS = 8
const QUICK_SECONDS = 2

interface Repeat {
  /** All a second. */
  readonly accepted: number
  readonly drained: number
  readonly together: number
  readonly bare: BareJobs
  readonly count: number
  readonly cost: Cost
}

/** The services of skills and notifications do tasks as well: here only executors play. */
const scene = (executor: number) => ({ executor, skills: 0, notifications: 0 })

/** Makes tasks on all connections for some seconds; resolves with how many were accepted a second. */
export const acceptTasks = async (stage: Stage, driver: Program, seconds: number): Promise<number> => {
  const input: HttpLoadInput = {
    ...{ url: `${stage.cluster.url}/v1/tasks`, headers: stage.headers, body: { kind: 'noop' } },
    ...{ connections: WIDTH, seconds },
  }
  const { rate, refused } = await driver.ask<HttpLoadResult>('load', input)
  if (refused > 0) throw new Error(`${refused} tasks were refused`)
  return rate
}

const one = async (stage: Stage, driver: Program, executors: number): Promise<Repeat> => {
  const seconds = stage.options.isQuick ? QUICK_SECONDS : SECONDS
  await stage.set(scene(executors))
  await stage.pauseTasks(true)
  let sinceMs = await fromNow()
  const accepted = await acceptTasks(stage, driver, seconds)
  const resumedMs = Date.now()
  await stage.pauseTasks(false)
  await stage.drained()
  const apart = await doneSince(stage, sinceMs)
  sinceMs = await fromNow()
  const { cost } = await stage.observe(async () => {
    await acceptTasks(stage, driver, seconds)
    await stage.drained()
  })
  const together = await doneSince(stage, sinceMs)
  return {
    accepted,
    drained: (apart.count * 1000) / (apart.finishedMs - resumedMs),
    together: (together.count * 1000) / (together.finishedMs - together.createdMs),
    bare: await drainJobs(stage, { count: stage.options.isQuick ? 2000 : 20_000, workers: executors }),
    ...{ count: together.count, cost },
  }
}

const figuresOf = (executors: number, repeats: readonly Repeat[]): Figure[] => {
  const who = executors === 1 ? 'one executor' : `${executors} executors`
  const bare = { about: `bare BullMQ, ${who.replace('executor', 'worker')}`, values: repeats.map((r) => r.bare.done) }
  const figure = (name: string, unit: string, values: number[], more: object = {}): Figure =>
    makeFigure({ load: 'flood', name, unit, values, ...more })
  const adds = { about: 'bare BullMQ, added by one process', values: repeats.map((r) => r.bare.adds) }
  const shares = repeats.map((r) => r.drained / r.bare.done)
  return [
    ...(executors === 1
      ? [
          figure(
            'accepted, nothing done yet',
            'tasks/s',
            repeats.map((r) => r.accepted),
            { floor: adds },
          ),
        ]
      : []),
    figure(
      `${who}: done, all accepted before`,
      'tasks/s',
      repeats.map((r) => r.drained),
      { floor: bare },
    ),
    figure(`${who}: the same, as a share of bare BullMQ`, '', shares, { aim: atLeast(0.5) }),
    figure(
      `${who}: accepted and done at once`,
      'tasks/s',
      repeats.map((r) => r.together),
      { floor: bare },
    ),
    figure(
      `${who}: writing transactions a task, accepted and done at once`,
      '',
      repeats.map(({ cost, count }) => cost.writes / count),
      { aim: atMost(1) },
    ),
  ]
}

export const flood: ClusterMeasure = {
  id: 'flood',
  about: `tasks that do nothing, made over HTTP on ${WIDTH} connections, with ${EXECUTORS.join(', ')} executors`,
  async run(stage) {
    const driver = await stage.program('../../programs/http-load')
    const figures: Figure[] = []
    const notes: string[] = []
    for (const executors of EXECUTORS) {
      const repeats = await stage.repeat(() => one(stage, driver, executors))
      figures.push(...figuresOf(executors, repeats))
      const last = repeats.at(-1)
      if (last)
        notes.push(...notesOf(`accepted and done at once, executors: ${executors}`, 'task', last.count, last.cost))
    }
    return { figures, notes }
  },
}
