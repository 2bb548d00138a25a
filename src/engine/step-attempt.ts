/** One try at a step's function, with its time limit; the answer comes back in the form in which it is journaled. */
import type { Clock } from '../platform/clock.ts'
import type { StepCommand } from './command.ts'
import type { ErrorRecord } from './error-record.ts'
import { engineErrors, toErrorRecord } from './errors.ts'
import { nextAttemptMs } from './retry.ts'
import { serialize } from './serialize.ts'

export type StepAnswer =
  | { readonly outcome: 'ok'; readonly valueText: string }
  | { readonly outcome: 'error'; readonly error: ErrorRecord }
  | { readonly outcome: 'retry'; readonly error: ErrorRecord; readonly retryInMs: number }

export interface StepAttempt {
  readonly command: StepCommand
  readonly attempt: number
  readonly idempotencyKey: string
  readonly clock: Clock
  readonly random: () => number
  readonly payloadLimitBytes: number
}

export const startStep = (step: StepAttempt): { answer: Promise<StepAnswer>; abort: () => void } => {
  const { command, attempt, clock } = step
  // Made only when the function asks for its signal, or when there is something to abort.
  let controller: AbortController | undefined
  const control = (): AbortController => {
    controller ??= new AbortController()
    return controller
  }
  const call = {
    attempt,
    idempotencyKey: step.idempotencyKey,
    get signal() {
      return control().signal
    },
  }

  const withTimeout = (timeoutMs: number): Promise<unknown> =>
    new Promise((resolve, reject) => {
      const cancel = clock.after(timeoutMs, () => {
        const error = engineErrors.step_timeout(`the step "${command.key}" took longer than ${timeoutMs} ms`)
        reject(error)
        control().abort(error)
      })
      Promise.resolve(command.fn(call)).then(resolve, reject).finally(cancel)
    })

  const run = async (): Promise<StepAnswer> => {
    try {
      const value = await (command.timeoutMs === undefined ? command.fn(call) : withTimeout(command.timeoutMs))
      return {
        outcome: 'ok',
        valueText: serialize(value, step.payloadLimitBytes, `the result of step "${command.key}"`),
      }
    } catch (error) {
      const retryInMs = nextAttemptMs(command.retry, attempt, error, step.random)
      const record = toErrorRecord(error)
      return retryInMs === undefined
        ? { outcome: 'error', error: record }
        : { outcome: 'retry', error: record, retryInMs }
    }
  }
  return { answer: run(), abort: () => control().abort() }
}
