/** What all branches of one run share: its host, context, limits and counters. */
import type { JsonObject } from '../platform/json.ts'
import { BranchStopped, runtimeError } from './errors.ts'
import type { AslHost, Transition } from './host.ts'
import { checkPayload, makePayloadScale, type PayloadScale, type RunLimits } from './limits.ts'
import type { Scope } from './scope.ts'

export interface RunState {
  readonly host: AslHost
  readonly limits: RunLimits
  readonly scale: PayloadScale
  /** `Execution` and `StateMachine` of the context object. */
  readonly context: JsonObject
  /** Counts an event and tells the host of it; gives its number in the run's history. */
  emit(transition: Transition): number
  /** Called before every state: counts it, lets other work go first once in a while, and stops an abandoned branch. */
  step(scope: Scope): Promise<void> | undefined
  checkPayload(value: Parameters<PayloadScale['bytes']>[0], what: string): void
  /** All variables of a branch together. */
  checkVariables(scope: Scope): void
}

/** Transitions between two pauses: some milliseconds of work. */
const TRANSITIONS_PER_PAUSE = 1_000

export const makeRunState = (options: { host: AslHost; limits: RunLimits; context: JsonObject }): RunState => {
  const { host, limits, context } = options
  const scale = makePayloadScale()
  let events = 0
  let transitions = 0
  return {
    host,
    limits,
    scale,
    context,
    emit(transition) {
      host.onTransition?.(transition)
      return ++events
    },
    step(scope) {
      if (scope.signal?.aborted) throw new BranchStopped()
      if (++transitions > limits.transitions) {
        throw runtimeError(`The run made more than ${limits.transitions} transitions.`)
      }
      return transitions % TRANSITIONS_PER_PAUSE === 0 ? host.pause?.() : undefined
    },
    checkPayload(value, what) {
      checkPayload(scale, limits.payloadBytes, value, what)
    },
    checkVariables(scope) {
      checkPayload(scale, limits.variablesBytes, scope.values(), 'The stored variables')
    },
  }
}
