/** Loads 1 and 3: one run after the other on a cluster that does nothing else. */
import { type Aim, atMost, type Figure, makeFigure } from '../../figure.ts'
import { median, percentile } from '../../support/stats.ts'
import type { ClusterMeasure, ClusterResult } from '../measure.ts'
import type { Trip, TripsInput } from '../programs/floor.ts'
import type { Stage } from '../stage.ts'
import { notesOf } from '../support/notes.ts'

interface Aims {
  readonly p50: Aim
  readonly p99?: Aim
}

interface SerialLoad {
  readonly id: string
  readonly about: string
  readonly steps: readonly number[]
  /** Runs of a repeat. */
  readonly count: number
  readonly aims: Readonly<Record<string, Aims>>
}

const WAYS: readonly (readonly [workflow: string, way: string])[] = [
  ['local-steps', 'local steps'],
  ['task-steps', 'tasks'],
]
const WARM_UP_RUNS = 5

const PHASES = ['until accepted', 'until started', 'until ended', 'until answered'] as const

interface Timed {
  readonly totalMs: number
  /** As PHASES. The database keeps whole milliseconds. */
  readonly phasesMs: readonly number[]
}

const timesOf = async (stage: Stage, workflow: string, steps: number, count: number): Promise<Timed[]> => {
  const times: Timed[] = []
  for (let i = 0; i < count; i++) {
    const startMs = performance.timeOrigin + performance.now()
    const { createdAt, startedAt, finishedAt } = await stage.run(workflow, steps)
    const endMs = performance.timeOrigin + performance.now()
    const moments = [startMs, Date.parse(createdAt), Date.parse(startedAt), Date.parse(finishedAt), endMs]
    times.push({ totalMs: endMs - startMs, phasesMs: moments.slice(1).map((atMs, j) => atMs - moments[j]!) })
  }
  return times
}

const phasesOf = (times: readonly Timed[]): string =>
  PHASES.map((phase, i) => `${phase} ${median(times.map(({ phasesMs }) => phasesMs[i]!)).toFixed(1)} ms`).join(', ')

/** Sums of `steps` that follow one another: a commit for a local step; two commits and a job between for a task. */
const floorTimes = async (stage: Stage, workflow: string, steps: number): Promise<number[]> => {
  const withJob = workflow === 'task-steps'
  const input: TripsInput = { withJob, count: Math.max(stage.options.isQuick ? 50 : 200, steps * 5) }
  const trips = await (await stage.floor()).ask<Trip[]>('trips', input)
  const times = trips.map(({ startMs, totalMs }) => (withJob ? totalMs : startMs))
  return Array.from({ length: Math.floor(times.length / steps) }, (_, i) =>
    times.slice(i * steps, (i + 1) * steps).reduce((sum, ms) => sum + ms, 0),
  )
}

const measure = async (stage: Stage, load: SerialLoad, steps: number, way: (typeof WAYS)[number]) => {
  const [workflow, name] = way
  const count = stage.options.isQuick ? Math.ceil(load.count / 8) : load.count
  await timesOf(stage, workflow, steps, WARM_UP_RUNS)
  const { value: repeats, cost } = await stage.observe(() => stage.repeat(() => timesOf(stage, workflow, steps, count)))
  const floors: number[][] = []
  for (const _ of repeats) floors.push(await floorTimes(stage, workflow, steps))
  const what = `${steps} ${steps === 1 ? name.replace(/s$/, '') : name}`
  const figure = (label: string, share: number, aim: Aim | undefined): Figure =>
    makeFigure({
      ...{ load: load.id, unit: 'ms', name: `a run of ${what}, ${label}`, aim },
      values: repeats.map((times) =>
        percentile(
          times.map(({ totalMs }) => totalMs),
          share,
        ),
      ),
      floor: {
        about: workflow === 'task-steps' ? `${steps} × commit, BullMQ job, commit` : `${steps} bare commits`,
        values: floors.map((times) => percentile(times, share)),
      },
    })
  const aims = load.aims[workflow]
  return {
    figures: [figure('p50', 0.5, aims?.p50), figure('p99', 0.99, aims?.p99)],
    notes: [
      ...notesOf(`a run of ${what}`, 'run', count * stage.options.runs, cost),
      `  medians: ${phasesOf(repeats.flat())}`,
    ],
  }
}

const makeMeasure = (load: SerialLoad): ClusterMeasure => ({
  id: load.id,
  about: load.about,
  async run(stage): Promise<ClusterResult> {
    await stage.set({})
    const results: ClusterResult[] = []
    for (const steps of load.steps) for (const way of WAYS) results.push(await measure(stage, load, steps, way))
    return { figures: results.flatMap(({ figures }) => figures), notes: results.flatMap(({ notes }) => notes) }
  },
})

export const longRun = makeMeasure({
  id: '1',
  about: 'one run of steps that do nothing, on an idle cluster, over HTTP',
  steps: [10, 40],
  count: 40,
  aims: { 'local-steps': { p50: atMost(40) }, 'task-steps': { p50: atMost(120) } },
})

export const shortRun = makeMeasure({
  id: '3',
  about: 'from the call that starts a run of one step to its result, over HTTP',
  steps: [1],
  count: 200,
  aims: {
    'local-steps': { p50: atMost(6), p99: atMost(20) },
    'task-steps': { p50: atMost(6), p99: atMost(20) },
  },
})
