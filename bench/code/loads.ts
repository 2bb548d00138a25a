/** What the benchmarks have a server do: runs of steps that do nothing, so that the time measured is the system's own. */
import { appendFileSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { task, workflow } from '../../src/sdk/index.ts'

export interface LoadInput {
  readonly steps: number
}

export const noop = task('noop', () => null)

/** @public Taken by the server that loads this folder. Tells when it began, finer than the rows do. */
export const clock = task('clock', () => performance.timeOrigin + performance.now())

/** Each step is a function in the run's own process. */
export const localSteps = workflow<LoadInput>('local-steps', async (ctx, { steps }) => {
  for (let i = 0; i < steps; i++) await ctx.step(`step ${i}`, () => i)
  return steps
})

/** Each step is a task that an executor takes. */
export const taskSteps = workflow<LoadInput>('task-steps', async (ctx, { steps }) => {
  for (let i = 0; i < steps; i++) await ctx.task(noop.name, i, { name: `step ${i}` })
  return steps
})

export interface NotedInput extends LoadInput {
  /** Gets a line for each time that a step is done. */
  readonly file: string
}

/** So slow that a kill finds the run in its middle. */
const NOTED_MS = 5

const note = async (file: string, step: number): Promise<void> => {
  appendFileSync(file, `${step} ${process.pid}\n`)
  await pause(NOTED_MS)
}

/** @public Taken by the server that loads this folder. */
export const notedTask = task<{ file: string; step: number }>('note', ({ file, step }) => note(file, step))

export const notedSteps = workflow<NotedInput>('noted-steps', async (ctx, { steps, file }) => {
  for (let i = 0; i < steps; i++) await ctx.step(`step ${i}`, () => note(file, i))
})

export const notedTasks = workflow<NotedInput>('noted-tasks', async (ctx, { steps, file }) => {
  for (let i = 0; i < steps; i++) await ctx.task(notedTask.name, { file, step: i }, { name: `step ${i}` })
})
