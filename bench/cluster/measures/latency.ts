/** How soon a task starts: one after the other on an idle cluster, and at half of what the cluster can do. */
import { setTimeout as pause } from 'node:timers/promises'
import { atMost, type Figure, makeFigure } from '../../figure.ts'
import { percentile } from '../../support/stats.ts'
import type { ClusterMeasure } from '../measure.ts'
import type { Trip, TripsInput } from '../programs/floor.ts'
import type { PacedInput, Sent } from '../programs/paced.ts'
import { type Stage, WIDTH } from '../stage.ts'
import { notesOf } from '../support/notes.ts'
import { doneSince, fromNow, timesSince } from '../support/tasks.ts'
import { acceptTasks } from './flood.ts'

const ALONE = 200
const BETWEEN_MS = 25
const REST_MS = 10_000
const HALF_SECONDS = 10
/** At the beginning connections are made, and code is compiled: not counted. */
const WARM_SECONDS = 3
const PROBE_SECONDS = 4

interface Latencies {
  /** From `created_at`, in whole milliseconds, to the beginning of the task's code. */
  readonly own: readonly number[]
  /** From the moment at which the client wanted to send until then. */
  readonly client: readonly number[]
}

const latenciesOf = async (stage: Stage, sinceMs: number, sent: readonly Sent[]): Promise<Latencies> => {
  const due = new Map(sent.map(({ id, dueMs }) => [id, dueMs]))
  const timed = (await timesSince(stage, sinceMs)).filter(({ id }) => due.has(id))
  if (timed.length !== sent.length) throw new Error(`${sent.length - timed.length} tasks have not started`)
  return {
    own: timed.map(({ createdMs, begunMs }) => begunMs - createdMs),
    client: timed.map(({ id, begunMs }) => begunMs - due.get(id)!),
  }
}

const alone = async (stage: Stage, count: number): Promise<Latencies> => {
  const sinceMs = await fromNow()
  const sent: Sent[] = []
  for (let i = 0; i < count; i++) {
    const dueMs = performance.timeOrigin + performance.now()
    const { id } = await stage.post<{ id: string }>('/v1/tasks', { kind: 'clock' })
    sent.push({ id, dueMs, answeredMs: performance.timeOrigin + performance.now() })
    await pause(BETWEEN_MS)
  }
  await stage.drained()
  return latenciesOf(stage, sinceMs, sent)
}

const figuresOf = (when: string, repeats: readonly Latencies[], floors?: readonly Trip[][]): Figure[] =>
  (['own', 'client'] as const).flatMap((view) =>
    (
      [
        ['p50', 0.5, 6],
        ['p99', 0.99, 20],
      ] as const
    ).map(([label, share, aimMs]) => {
      const from = view === 'own' ? 'from created_at' : 'from the call'
      const about = 'bare commit, BullMQ job, start'
      const values = floors?.map((trips) =>
        percentile(
          trips.map(({ startMs }) => startMs),
          share,
        ),
      )
      return makeFigure({
        ...{ load: 'latency', name: `${when}, ${from} to the code, ${label}`, unit: 'ms', aim: atMost(aimMs) },
        values: repeats.map((repeat) => percentile(repeat[view], share)),
        ...(values && { floor: { about, values } }),
      })
    }),
  )

/** Tasks a second that the cluster makes and does at once when it is given as many as it takes. */
const capacity = async (stage: Stage): Promise<number> => {
  const driver = await stage.program('../../programs/http-load')
  const sinceMs = await fromNow()
  await acceptTasks(stage, driver, stage.options.isQuick ? 1 : PROBE_SECONDS)
  await stage.drained()
  const { count, createdMs, finishedMs } = await doneSince(stage, sinceMs)
  return (count * 1000) / (finishedMs - createdMs)
}

export const latency: ClusterMeasure = {
  id: 'latency',
  about: 'from the making of a task to its start, made over HTTP: idle, and at half of what the cluster can do',
  async run(stage) {
    await stage.set({})
    const { isQuick } = stage.options
    const count = isQuick ? ALONE / 5 : ALONE
    await alone(stage, 20)
    const idle = await stage.observe(() => stage.repeat(() => alone(stage, count)))
    const rest = await stage.observe(() => pause(REST_MS))
    const input: TripsInput = { count, withJob: true }
    const floor = await stage.floor()
    const floors = await stage.repeat(() => floor.ask<Trip[]>('trips', input))

    const rate = (await capacity(stage)) / 2
    const paced = await stage.program('paced')
    const warm = Math.ceil(rate * (isQuick ? 0.5 : WARM_SECONDS))
    const total = warm + Math.ceil(rate * (isQuick ? 2 : HALF_SECONDS))
    const half = await stage.observe(() =>
      stage.repeat(async () => {
        const sinceMs = await fromNow()
        const pacedInput: PacedInput = {
          ...{ url: `${stage.cluster.url}/v1/tasks`, headers: stage.headers, body: { kind: 'clock' } },
          ...{ rate, count: total, connections: WIDTH },
        }
        const sent = await paced.ask<Sent[]>('send', pacedInput)
        await stage.drained()
        return latenciesOf(stage, sinceMs, sent.slice(warm))
      }),
    )
    const runs = stage.options.runs
    /** What the processes write anyway, such as their leases. */
    const restWrites = (rest.cost.writes / rest.cost.seconds) * idle.cost.seconds
    const atHalf = `half load, ${Math.round(rate)} tasks/s`
    return {
      figures: [
        ...figuresOf('idle', idle.value, floors),
        ...figuresOf(atHalf, half.value),
        makeFigure({
          ...{ load: 'latency', name: 'idle, writing transactions a task', unit: '', aim: atMost(2) },
          values: [(idle.cost.writes - restWrites) / (count * runs)],
        }),
      ],
      notes: [
        ...notesOf(
          'one task after the other (what the idle cluster does anyway is in it)',
          'task',
          count * runs,
          idle.cost,
        ),
        ...notesOf(atHalf, 'task', total * runs, half.cost),
      ],
    }
  },
}
