/** The floors themselves: what this PostgreSQL and this Redis do with nothing of AIDOS between. */
import { type Figure, makeFigure } from '../../figure.ts'
import { percentile } from '../../support/stats.ts'
import type { ClusterMeasure } from '../measure.ts'
import type { RowsInput, Trip, TripsInput } from '../programs/floor.ts'
import { type Stage, WIDTH } from '../stage.ts'
import { drainJobs } from '../support/bare-jobs.ts'
import { notesOf } from '../support/notes.ts'

const ROWS: readonly (readonly [group: number, width: number, rows: number])[] = [
  [1, 1, 1000],
  [1, WIDTH, 5000],
  [100, WIDTH, 50_000],
]
const WORKERS = [1, 2, 4]

const figure = (name: string, unit: string, values: readonly number[]): Figure =>
  makeFigure({ load: 'floor', name, unit, values })

const bareRows = async (stage: Stage): Promise<Figure[]> => {
  const figures: Figure[] = []
  const floor = await stage.floor()
  for (const [group, width, rows] of ROWS) {
    const input: RowsInput = { group, width, count: stage.options.isQuick ? rows / 10 : rows }
    await floor.ask('rows', { ...input, count: input.count / 5 })
    const values = await stage.repeat(() => floor.ask<number>('rows', input))
    const how = `${group} ${group === 1 ? 'row' : 'rows'} a transaction, ${width} at a time`
    figures.push(figure(`bare PostgreSQL, inserted and updated, ${how}`, 'rows/s', values))
  }
  return figures
}

const bareJobs = async (stage: Stage): Promise<Figure[]> => {
  const count = stage.options.isQuick ? 2000 : 20_000
  const figures: Figure[] = []
  for (const workers of WORKERS) {
    const results = await stage.repeat(() => drainJobs(stage, { count, workers }))
    if (workers === 1) {
      const adds = results.map(({ adds }) => adds)
      figures.push(figure(`bare BullMQ, added, ${WIDTH} at a time`, 'jobs/s', adds))
    }
    const processes = workers === 1 ? 'one process' : `${workers} processes`
    const done = results.map((result) => result.done)
    figures.push(figure(`bare BullMQ, done by ${processes}, ${WIDTH} at a time in each`, 'jobs/s', done))
  }
  return figures
}

const bareTrips = async (stage: Stage): Promise<Figure[]> => {
  const input: TripsInput = { count: stage.options.isQuick ? 50 : 300, withJob: true }
  const floor = await stage.floor()
  const repeats = await stage.repeat(() => floor.ask<Trip[]>('trips', input))
  const about = 'bare commit, BullMQ job, start'
  const starts = repeats.map((trips) => trips.map(({ startMs }) => startMs))
  return [
    figure(
      `${about}, p50`,
      'ms',
      starts.map((times) => percentile(times, 0.5)),
    ),
    figure(
      `${about}, p99`,
      'ms',
      starts.map((times) => percentile(times, 0.99)),
    ),
  ]
}

export const floors: ClusterMeasure = {
  id: 'floor',
  about: 'bare PostgreSQL with fsync, in a table like that of tasks; bare BullMQ on the same Redis',
  async run(stage) {
    const figures = [...(await bareRows(stage)), ...(await bareJobs(stage)), ...(await bareTrips(stage))]
    const count = 2000
    const { cost } = await stage.observe(() => drainJobs(stage, { count, workers: 1 }))
    return { figures, notes: notesOf('bare BullMQ (and the idle cluster beside it)', 'job', count, cost) }
  },
}
