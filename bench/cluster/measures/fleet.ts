/** Load 2: many runs at once. */
import { type Aim, atLeast, makeFigure } from '../../figure.ts'
import { inFlight } from '../../support/in-flight.ts'
import type { ClusterMeasure, ClusterResult } from '../measure.ts'
import type { RowsInput } from '../programs/floor.ts'
import { type Stage, WIDTH } from '../stage.ts'
import { notesOf } from '../support/notes.ts'

const RUNS = 500
const STEPS = 10
const FLOOR_GROUP = 50

const WAYS: readonly { readonly workflow: string; readonly way: string; readonly aim: Aim }[] = [
  { workflow: 'local-steps', way: 'local steps', aim: atLeast(400) },
  { workflow: 'task-steps', way: 'tasks', aim: atLeast(250) },
]

const measure = async (stage: Stage, { workflow, way, aim }: (typeof WAYS)[number]): Promise<ClusterResult> => {
  const count = stage.options.isQuick ? RUNS / 10 : RUNS
  const floor = await stage.floor()
  const all = () => inFlight(count, WIDTH, () => stage.run(workflow, STEPS))
  await all()
  const seconds: number[] = []
  const { cost } = await stage.observe(() =>
    stage.repeat(async () => {
      const startMs = performance.now()
      await all()
      seconds.push((performance.now() - startMs) / 1000)
    }),
  )
  const input: RowsInput = { group: FLOOR_GROUP, width: 1, count: count * STEPS }
  const floors = await stage.repeat(async () => (await floor.ask<number>('rows', input)) / STEPS)
  return {
    figures: [
      makeFigure({
        ...{ load: '2', name: way, unit: 'runs/s', aim },
        values: seconds.map((each) => count / each),
        floor: { about: `${STEPS} rows a run inserted and updated, ${FLOOR_GROUP} a transaction`, values: floors },
      }),
    ],
    notes: notesOf(`runs of ${STEPS} ${way}, ${WIDTH} at a time`, 'run', count * stage.options.runs, cost),
  }
}

export const fleet: ClusterMeasure = {
  id: '2',
  about: `${RUNS} runs of ${STEPS} steps that do nothing, ${WIDTH} in flight, over HTTP`,
  async run(stage) {
    await stage.set({})
    const results: ClusterResult[] = []
    for (const way of WAYS) results.push(await measure(stage, way))
    return { figures: results.flatMap(({ figures }) => figures), notes: results.flatMap(({ notes }) => notes) }
  },
}
