/** Texts: formatting, splitting, unique ids. */
import type { Json } from '../../platform/json.ts'
import { isObject } from '../values.ts'
import { text as asString } from './arguments.ts'
import { type Intrinsic, IntrinsicFailure } from './failure.ts'

export const text: Readonly<Record<string, Intrinsic>> = {
  'States.Format': {
    arity: [1, Number.POSITIVE_INFINITY],
    call: ([template, ...values]) => format(asString(template), values),
  },
  'States.StringSplit': { arity: [2, 2], call: ([value, by]) => split(asString(value), asString(by)) },
  'States.UUID': { arity: [0, 0], call: (_, around) => around.uuid() },
}

/** A template that came from data: it has no escapes. */
const format = (template: string, values: readonly Json[]): string => {
  const pieces = template.split('{}')
  if (pieces.some((piece) => /[{}]/.test(piece)))
    throw new IntrinsicFailure('The template has a brace that is none of a {}')
  if (pieces.length - 1 !== values.length) {
    throw new IntrinsicFailure(
      `The template has ${pieces.length - 1} placeholders but there are ${values.length} values`,
    )
  }
  return pieces.reduce((out, piece, i) => out + formatValue(values[i - 1]!) + piece)
}

/** Arrays and objects are written as the service does, which is not JSON: `[1, two, {a=3}]`. */
export const formatValue = (value: Json): string => {
  if (typeof value === 'string') return value
  if (Array.isArray(value)) return `[${value.map(formatValue).join(', ')}]`
  if (!isObject(value)) return JSON.stringify(value)
  const fields = Object.entries(value).map(([key, inner]) => `${key}=${formatValue(inner)}`)
  return `{${fields.join(', ')}}`
}

/** Every character of `by` is a separator of its own; empty parts are left out. */
const split = (value: string, by: string): string[] => {
  if (by === '') return value === '' ? [] : [value]
  const separators = new Set(by)
  const parts: string[] = []
  let part = ''
  for (const ch of value) {
    if (!separators.has(ch)) part += ch
    else if (part !== '') {
      parts.push(part)
      part = ''
    }
  }
  return part === '' ? parts : [...parts, part]
}
