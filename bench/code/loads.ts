/** What the benchmarks have a server do: runs of steps that do nothing, so that the time measured is the system's own. */
import { task, workflow } from '../../src/sdk/index.ts'

export interface LoadInput {
  readonly steps: number
}

export const noop = task('noop', () => null)

/** Each step is a function in the run's own process. */
export const localSteps = workflow<LoadInput>('local-steps', async (ctx, { steps }) => {
  for (let i = 0; i < steps; i++) await ctx.step(`step ${i}`, () => i)
  return steps
})

/** Each step is a task that an executor takes. */
export const taskSteps = workflow<LoadInput>('task-steps', async (ctx, { steps }) => {
  for (let i = 0; i < steps; i++) await ctx.task('noop', i, { name: `step ${i}` })
  return steps
})
