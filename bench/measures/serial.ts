/** Loads 1 and 3: one run after the other on a system that does nothing else. */
import type { Bench, Measure } from '../bench.ts'
import { type Aim, atMost, type Figure, makeFigure } from '../figure.ts'
import type { SerialInput } from '../programs/engine.ts'
import { runOver, startBenchServer } from '../support/server.ts'
import { percentile } from '../support/stats.ts'

interface SerialLoad {
  readonly load: string
  readonly what: string
  readonly steps: number
  /** Runs of a repeat. */
  readonly count: number
  /** The fewest commits that promise what a durable run promises. */
  readonly commits: number
  readonly aims: Readonly<Record<string, { readonly p50: Aim; readonly p99?: Aim }>>
}

const WAYS: readonly (readonly [string, string])[] = [
  ['local-steps', 'local steps'],
  ['task-steps', 'tasks'],
]
const WARM_UP_RUNS = 30
const FLOOR_COMMITS = 400

/** What bare commits would take for so many runs: each the sum of commits that followed one another. */
const floorTimes = async (bench: Bench, commits: number): Promise<number[]> => {
  const times = await bench.commitsMs({ shape: 'row', group: 1, commits: Math.max(FLOOR_COMMITS, 10 * commits) })
  const sums: number[] = []
  for (let i = 0; i + commits <= times.length; i += commits) {
    sums.push(times.slice(i, i + commits).reduce((sum, ms) => sum + ms, 0))
  }
  return sums
}

/** Times of the runs of each repeat, and what bare commits took beside it. */
const measure = async (bench: Bench, load: SerialLoad, run: (count: number) => Promise<number[]>) => {
  await run(WARM_UP_RUNS)
  return bench.repeat(async () => {
    const floor = await floorTimes(bench, load.commits)
    return { floor, times: await run(load.count) }
  })
}

const figuresOf = (
  load: SerialLoad,
  name: string,
  repeats: readonly { floor: number[]; times: number[] }[],
  aims: SerialLoad['aims'][string] | undefined,
): Figure[] => {
  const figure = (label: string, share: number, aim: Aim | undefined): Figure =>
    makeFigure({
      load: load.load,
      unit: 'ms',
      name: `${name}, ${label}`,
      values: repeats.map(({ times }) => percentile(times, share)),
      floor: {
        about: `${load.commits} bare commits, one by one`,
        values: repeats.map((repeat) => percentile(repeat.floor, share)),
      },
      aim,
    })
  return [figure('p50', 0.5, aims?.p50), figure('p99', 0.99, aims?.p99)]
}

const asLibrary = async (bench: Bench, load: SerialLoad): Promise<Figure[]> => {
  const program = await bench.start({ name: 'engine', args: [await bench.makeFolder('engine')] })
  try {
    const figures: Figure[] = []
    for (const [target, way] of WAYS) {
      const run = (count: number): Promise<number[]> =>
        program.ask('serial', { target, steps: load.steps, count } satisfies SerialInput)
      figures.push(...figuresOf(load, `${way}, in process`, await measure(bench, load, run), load.aims[target]))
    }
    return figures
  } finally {
    await program.stop()
  }
}

const overHttp = async (bench: Bench, load: SerialLoad): Promise<Figure[]> => {
  const server = await startBenchServer(bench)
  try {
    const figures: Figure[] = []
    for (const [target, way] of WAYS) {
      const run = async (count: number): Promise<number[]> => {
        const times: number[] = []
        for (let i = 0; i < count; i++) {
          const startMs = performance.now()
          await runOver(server, target, load.steps)
          times.push(performance.now() - startMs)
        }
        return times
      }
      figures.push(...figuresOf(load, `${way}, over HTTP`, await measure(bench, load, run), undefined))
    }
    return figures
  } finally {
    await server.stop()
  }
}

const makeMeasure = (load: SerialLoad): Measure => ({
  id: load.load,
  about: load.what,
  run: async (bench) => [...(await asLibrary(bench, load)), ...(await overHttp(bench, load))],
})

export const longRun = makeMeasure({
  load: '1',
  what: 'one run of 40 steps that do nothing, on an idle system',
  steps: 40,
  count: 40,
  commits: 40,
  aims: { 'local-steps': { p50: atMost(15) }, 'task-steps': { p50: atMost(40) } },
})

export const shortRun = makeMeasure({
  load: '3',
  what: 'from the call that starts a run of one step to its result',
  steps: 1,
  count: 200,
  // The run is accepted; its step and its end are journaled.
  commits: 2,
  aims: {
    'local-steps': { p50: atMost(2), p99: atMost(6) },
    'task-steps': { p50: atMost(2), p99: atMost(6) },
  },
})
