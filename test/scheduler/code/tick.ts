/** What the schedules of the test start: work that leaves a line behind each time that it is done. */
import { appendFileSync } from 'node:fs'
import { task, workflow } from '../../../src/sdk/index.ts'

export interface TickInput {
  readonly file: string
  readonly schedule: string
  readonly plannedAtMs: number
}

const leaveLine = ({ file, schedule, plannedAtMs }: TickInput): void =>
  appendFileSync(file, `${schedule} ${plannedAtMs}\n`)

export const tick = task<TickInput>('tick', async (input) => leaveLine(input))

export const tickRun = workflow<TickInput>('tick-run', async (ctx, input) => {
  await ctx.step('leave a line', async () => leaveLine(input))
})
