/** A flood of tasks that do nothing: accepted first and done then, and accepted while they are being done. */
import type { Measure } from '../bench.ts'
import { atLeast, makeFigure } from '../figure.ts'
import type { FloodResult } from '../programs/engine.ts'

const TASKS = 50_000
const GROUP = 100

export const flood: Measure = {
  id: 'flood',
  about: `${TASKS} tasks that do nothing`,
  async run(bench) {
    const program = await bench.start({ name: 'engine', args: [await bench.makeFolder('engine')] })
    try {
      const one = (executorFirst: boolean, count = TASKS): Promise<FloodResult> =>
        program.ask('flood', { count, executorFirst })
      await one(true, TASKS / 10)
      const repeats = await bench.repeat(async () => {
        const floorRate = 1000 / (await bench.rowMs({ shape: 'task', group: GROUP }))
        return { floorRate, apart: await one(false), together: await one(true) }
      })
      const floor = {
        about: `bare inserts of tasks, ${GROUP} a commit`,
        values: repeats.map(({ floorRate }) => floorRate),
      }
      const figure = (name: string, seconds: (repeat: (typeof repeats)[number]) => number, aim?: number) =>
        makeFigure({
          load: 'flood',
          name,
          unit: 'tasks/s',
          values: repeats.map((repeat) => TASKS / seconds(repeat)),
          floor,
          ...(aim === undefined ? {} : { aim: atLeast(aim) }),
        })
      return [
        figure('accepted, nothing done yet', ({ apart }) => apart.acceptSeconds),
        figure('done, all accepted before', ({ apart }) => apart.drainSeconds, 10_000),
        figure('accepted and done, one after the other', ({ apart }) => apart.acceptSeconds + apart.drainSeconds),
        figure('accepted and done at once', ({ together }) => together.acceptSeconds + together.drainSeconds, 10_000),
        makeFigure({
          load: 'flood',
          name: 'CPU a task, accepted and done at once',
          unit: 'ms',
          values: repeats.map(({ together }) => together.cpuMs / TASKS),
        }),
      ]
    } finally {
      await program.stop()
    }
  },
}
