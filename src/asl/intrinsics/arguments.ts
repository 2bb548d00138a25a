/** Checks of what is handed to an intrinsic function. */
import type { Json } from '../../platform/json.ts'
import { kindOf } from '../values.ts'
import { IntrinsicFailure } from './failure.ts'

export const array = (value: Json | undefined, what = 'The first argument'): Json[] => {
  if (Array.isArray(value)) return value
  throw wrong(what, 'an array', value)
}

export const text = (value: Json | undefined, what = 'The argument'): string => {
  if (typeof value === 'string') return value
  throw wrong(what, 'a string', value)
}

/** A whole number; what stands behind the point is cut off, as the service does in all functions but `States.MathAdd`. */
export const integer = (value: Json | undefined, what = 'The argument'): number => {
  if (typeof value === 'number') return Math.trunc(value) + 0
  throw wrong(what, 'a number', value)
}

/** A number, rounded to the nearest whole one: halves go up. */
export const rounded = (value: Json | undefined, what = 'The argument'): number => {
  if (typeof value === 'number') return Math.round(value) + 0
  throw wrong(what, 'a number', value)
}

const wrong = (what: string, wanted: string, value: Json | undefined): IntrinsicFailure =>
  new IntrinsicFailure(`${what} must be ${wanted}, but was ${kindOf(value ?? null)}`)
