/** The failure of an intrinsic function, and the shape of one. */
import type { Json } from '../../platform/json.ts'
import type { Surroundings } from '../query/focus.ts'

/** A function of the language. `arity` is the least and the most number of arguments. */
export interface Intrinsic {
  readonly arity: readonly [number, number]
  call(args: readonly Json[], around: Surroundings): Json
}

/** Thrown by a function that cannot use its arguments. */
export class IntrinsicFailure extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'IntrinsicFailure'
  }
}
