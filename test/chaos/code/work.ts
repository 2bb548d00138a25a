/** The code that every process of the cluster loads: work whose effects are seen from outside. */
import {
  agent,
  NonRetryableError,
  RetryableError,
  task,
  type WorkflowContext,
  workflow,
} from '../../../src/sdk/index.ts'
import { doEffect } from '../effects.ts'

export interface WorkInput {
  readonly file: string
  /** Names the effect to people. */
  readonly step: string
}

export interface RunInput {
  readonly file: string
  readonly name: string
  readonly steps: number
  /** Waits for the signal `go` halfway. */
  readonly signal: boolean
}

const LONGEST_MS = 600

export const effectTask = task<WorkInput>('chaos-effect', ({ file, step }, { idempotencyKey, attempt }) =>
  doEffect({ file, step, idempotencyKey, attempt, longestMs: LONGEST_MS }),
)

/** Fails the first time, by design and before any effect. */
export const flakyTask = task<WorkInput>(
  'chaos-flaky',
  ({ file, step }, { idempotencyKey, attempt }) => {
    if (attempt === 1) throw new RetryableError('fails at first, by design')
    return doEffect({ file, step, idempotencyKey, attempt, longestMs: LONGEST_MS })
  },
  { retry: { attempts: 6, delay: '200 ms' } },
)

/** Never succeeds, and has no effect: it must end as a dead letter. */
export const doomedTask = task<WorkInput>(
  'chaos-doomed',
  () => {
    throw new RetryableError('fails always, by design')
  },
  { retry: { attempts: 3, delay: '100 ms' } },
)

/** Is not to be tried again. */
export const hopelessTask = task<WorkInput>('chaos-hopeless', () => {
  throw new NonRetryableError('cannot be done, by design')
})

const PRIORITIES = ['critical', 'high', 'normal', 'low'] as const
const AT_A_TIME = 3

/** Answers with the value of each effect that it was told. */
export const chaosRun = workflow<RunInput>('chaos-run', async (ctx, { file, name, steps, signal }) => {
  const values: Record<string, string> = {}
  const doStep = async (branch: WorkflowContext, number: number): Promise<void> => {
    const step = `${name} step ${number}`
    values[step] =
      number % 2 === 0
        ? await branch.step(step, ({ idempotencyKey, attempt }) =>
            doEffect({ file, step, idempotencyKey, attempt, longestMs: LONGEST_MS }),
          )
        : await branch.task<string>(
            effectTask.name,
            { file, step },
            { name: step, priority: PRIORITIES[number % 4] ?? 'normal' },
          )
  }
  const numbers = Array.from({ length: steps }, (_, i) => i)
  const half = Math.ceil(steps / 2)
  for (const number of numbers.slice(0, half)) await doStep(ctx, number)
  if (signal) await ctx.signal('go', { timeout: '1 day' })
  await ctx.sleep(300)
  await ctx.map(numbers.slice(half), (number, _, branch) => doStep(branch, number), { concurrency: AT_A_TIME })
  Object.assign(values, await ctx.run<Record<string, string>>(childRun.name, { file, step: `${name} child` }))
  return values
})

export const childRun = workflow<WorkInput>('chaos-child', async (ctx, { file, step }) => {
  const value = await ctx.step(step, ({ idempotencyKey, attempt }) =>
    doEffect({ file, step, idempotencyKey, attempt, longestMs: LONGEST_MS }),
  )
  return { [step]: value }
})

export const TURNS = 4

export const chaosAgent = agent({
  name: 'chaos-agent',
  config: { instructions: 'You call echo as often as you are told.', skills: ['core/echo'], budgets: { turns: 50 } },
})
