/** What the kill test has a server do: effects in a file, by local steps and by tasks, one after the other and side by side. */
import { randomUUID } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { agent, task, type WorkflowContext, workflow } from '../../../src/sdk/index.ts'
import { appendEffect } from '../effects.ts'

export interface EffectInput {
  readonly file: string
  readonly step: string
}

export interface KillRunInput {
  readonly file: string
  readonly steps: number
}

const LONGEST_PAUSE_MS = 8

/** Pauses on both sides of the effect, so that a kill finds it not begun, done but not reported, and reported. */
const doEffect = async ({ file, step }: EffectInput, idempotencyKey: string): Promise<string> => {
  await pause(Math.random() * LONGEST_PAUSE_MS)
  const value = randomUUID()
  appendEffect(file, { step, idempotencyKey, pid: process.pid, value })
  await pause(Math.random() * LONGEST_PAUSE_MS)
  return value
}

export const effectTask = task<EffectInput>('effect', (input, call) => doEffect(input, call.idempotencyKey))

/** In each block of ten: this many in a row, then the rest side by side. */
const BLOCK = 10
const IN_A_ROW = 5
const AT_A_TIME = 3

export const killRun = workflow<KillRunInput>('kill-run', async (ctx, { file, steps }) => {
  const values: Record<string, string> = {}
  const doStep = async (branch: WorkflowContext, number: number): Promise<void> => {
    const step = `step ${number}`
    values[step] =
      number % 2 === 0
        ? await branch.step(step, (call) => doEffect({ file, step }, call.idempotencyKey))
        : await branch.task<string>(effectTask.name, { file, step }, { name: step })
  }
  for (let first = 0; first < steps; first += BLOCK) {
    const numbers = Array.from({ length: Math.min(BLOCK, steps - first) }, (_, i) => first + i)
    for (const number of numbers.slice(0, IN_A_ROW)) await doStep(ctx, number)
    await ctx.sleep(2)
    await ctx.map(numbers.slice(IN_A_ROW), (number, _, branch) => doStep(branch, number), { concurrency: AT_A_TIME })
  }
  return values
})

export const killAgent = agent({
  name: 'kill-agent',
  config: {
    instructions: 'You call echo as often as you are told.',
    skills: ['core/echo'],
    budgets: { turns: 1000 },
  },
})
