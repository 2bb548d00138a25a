/** The floors themselves: what SQLite and Fastify do here with the same durability, and nothing around them. */
import type { Bench, Measure } from '../bench.ts'
import { type Figure, makeFigure } from '../figure.ts'
import type { Shape } from '../support/bare-sqlite.ts'

const SHAPES: readonly (readonly [Shape, string])[] = [
  ['row', 'a small row'],
  ['task', 'the row of a task, with its indexes'],
]

const inserts = async (bench: Bench, shape: Shape, name: string, group: number): Promise<Figure> => {
  await bench.rowMs({ shape, group })
  const values = await bench.repeat(async () => 1000 / (await bench.rowMs({ shape, group })))
  const how = group === 1 ? 'one by one' : `${group} a commit`
  return makeFigure({ load: 'floor', name: `bare SQLite, ${name}, ${how}`, unit: 'rows/s', values })
}

export const floors: Measure = {
  id: 'floor',
  about: 'bare SQLite, WAL, synchronous=FULL',
  async run(bench) {
    const figures: Figure[] = []
    for (const [shape, name] of SHAPES)
      for (const group of [1, 100]) figures.push(await inserts(bench, shape, name, group))
    return figures
  },
}
