/** A compiled state and a compiled state machine. */
import type { JsonObject } from '../../platform/json.ts'
import type { Catcher } from '../catch.ts'
import type { Maybe, QueryLanguage } from '../query/focus.ts'
import type { Retrier } from '../retry.ts'
import type { Visit } from '../visit.ts'
import type { Exit } from './exit.ts'

export type StateType = 'Task' | 'Pass' | 'Choice' | 'Wait' | 'Succeed' | 'Fail' | 'Parallel' | 'Map'

export type Execute = (visit: Visit) => Maybe<Exit>

export interface State {
  readonly name: string
  readonly type: StateType
  readonly language: QueryLanguage
  /** JSON Pointer of the state in the definition. */
  readonly pointer: string
  readonly execute: Execute
  readonly retriers: readonly Retrier[]
  readonly catchers: readonly Catcher[]
  /** Whether an expression of the state may ask when it was entered. */
  readonly needsEnteredTime: boolean
}

export interface Machine {
  readonly start: string
  readonly states: ReadonlyMap<string, State>
}

/** What the compiler of one state needs from around it. */
export interface CompileContext {
  readonly name: string
  readonly language: QueryLanguage
  readonly pointer: string
  /** Compiles the states of a branch or of an item processor. */
  compileMachine(definition: JsonObject, pointer: string): Machine
  /** Makes an item processor known by its place, for children that run elsewhere. */
  registerProcessor(pointer: string, machine: Machine): void
}

/** Where a state goes when it does not choose for itself. */
export const nextOf = (state: JsonObject): string | undefined =>
  state.End === true ? undefined : (state.Next as string | undefined)
