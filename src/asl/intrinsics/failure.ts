/** The failure of an intrinsic function, and the shape of one. */
import type { Json } from '../../platform/json.ts'
import { EngineError, STATES } from '../errors.ts'
import type { Surroundings } from '../query/focus.ts'

/** A function of the language. `arity` is the least and the most number of arguments. */
export interface Intrinsic {
  readonly arity: readonly [number, number]
  call(args: readonly Json[], around: Surroundings): Json
}

/** Thrown by a function that cannot use its arguments. */
export class IntrinsicFailure extends EngineError {
  constructor(message: string) {
    super(STATES.intrinsicFailure, message)
  }
}
