/** The States Language interpreter by itself: transitions a second, and whether a step costs more the longer a run has lasted. */
import type { Measure } from '../bench.ts'
import { type Aim, atMost, type Figure, makeFigure } from '../figure.ts'
import { choiceLoop, choiceLoopInJsonata, mapOfTasks, passChain, replay } from '../support/asl-loads.ts'

const TRANSITIONS = 10_000
const SHORT = 2_000
const LONG = 50_000

const secondsOf = async (work: () => Promise<void>): Promise<number> => {
  const startMs = performance.now()
  await work()
  return (performance.now() - startMs) / 1000
}

export const asl: Measure = {
  id: 'asl',
  about: 'the States Language interpreter over a host that answers at once',
  async run(bench) {
    /** A run to warm up, then one for each repeat; what `toValue` makes of its seconds. */
    const figure = async (name: string, unit: string, toValue: () => Promise<number>, aim?: Aim): Promise<Figure> => {
      await toValue()
      return makeFigure({ load: 'asl', name, unit, values: await bench.repeat(toValue), aim })
    }
    const speed = (name: string, work: () => Promise<void>): Promise<Figure> =>
      figure(name, 'transitions/s', async () => TRANSITIONS / (await secondsOf(work)))
    /** What one transition of a long run costs, measured by one of a short run. */
    const growth = (name: string, load: (transitions: number) => () => Promise<void>): Promise<Figure> => {
      const [short, long] = [load(SHORT), load(LONG)]
      const perTransition = async () => [(await secondsOf(short)) / SHORT, (await secondsOf(long)) / LONG] as const
      return figure(name, '×', () => perTransition().then(([few, many]) => many / few), atMost(1.5))
    }
    return [
      await speed('Pass chain of 10,000 states', passChain(TRANSITIONS)),
      await speed('Choice loop of 10,000 transitions', choiceLoop(TRANSITIONS)),
      await speed('Choice loop in JSONata', choiceLoopInJsonata(TRANSITIONS)),
      await speed('Map of 10,000 items, one Task each', mapOfTasks(TRANSITIONS)),
      await speed('replay of 10,000 transitions', replay(TRANSITIONS)),
      await growth('a transition after 50,000, by one after 2,000', choiceLoop),
      await growth('the same in a replay', replay),
    ]
  },
}
