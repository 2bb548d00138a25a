/** The comparisons of a JSONPath Choice rule. A value of another type than the operator's never matches; nothing is converted. */
import type { Json } from '../platform/json.ts'
import { parseInstant } from './timestamps.ts'

/** Compares the variable's value with the operand. */
export type Compare = (value: Json, operand: Json) => boolean

export type OperandKind = 'string' | 'number' | 'boolean' | 'timestamp'

const COMPARISONS: Readonly<Record<string, (order: number) => boolean>> = {
  Equals: (order) => order === 0,
  LessThan: (order) => order < 0,
  GreaterThan: (order) => order > 0,
  LessThanEquals: (order) => order <= 0,
  GreaterThanEquals: (order) => order >= 0,
}

const orderOf = <T extends string | number>(a: T, b: T): number => (a < b ? -1 : a > b ? 1 : a === b ? 0 : Number.NaN)

const orderOfTimestamps = (a: Json, b: Json): number => {
  const left = typeof a === 'string' ? parseInstant(a) : undefined
  const right = typeof b === 'string' ? parseInstant(b) : undefined
  if (!left || !right) return Number.NaN
  return orderOf(left.seconds, right.seconds) || orderOf(left.nanos, right.nanos)
}

/** The order of two values of the kind, or `NaN` (which matches nothing) when one is of another kind. */
const ORDERS: Readonly<Record<'String' | 'Numeric' | 'Timestamp', (a: Json, b: Json) => number>> = {
  String: (a, b) => (typeof a === 'string' && typeof b === 'string' ? orderOf(a, b) : Number.NaN),
  Numeric: (a, b) => (typeof a === 'number' && typeof b === 'number' ? orderOf(a, b) : Number.NaN),
  Timestamp: orderOfTimestamps,
}

const makeOperators = (): Map<string, { kind: OperandKind; compare: Compare }> => {
  const operators = new Map<string, { kind: OperandKind; compare: Compare }>()
  const kinds = { String: 'string', Numeric: 'number', Timestamp: 'timestamp' } as const
  for (const [type, order] of Object.entries(ORDERS)) {
    const kind = kinds[type as keyof typeof kinds]
    for (const [name, accepts] of Object.entries(COMPARISONS)) {
      operators.set(`${type}${name}`, { kind, compare: (value, operand) => accepts(order(value, operand)) })
    }
  }
  operators.set('BooleanEquals', {
    kind: 'boolean',
    compare: (value, operand) => typeof value === 'boolean' && value === operand,
  })
  return operators
}

/** Operators whose operand is written in the rule, and with `Path` behind their name one that a path leads to. */
export const COMPARE_OPERATORS: ReadonlyMap<string, { kind: OperandKind; compare: Compare }> = makeOperators()

/** Operators that ask for the type of a value; their operand says which answer matches. */
export const TYPE_OPERATORS: ReadonlyMap<string, (value: Json) => boolean> = new Map<string, (value: Json) => boolean>([
  ['IsNull', (value) => value === null],
  ['IsString', (value) => typeof value === 'string'],
  ['IsNumeric', (value) => typeof value === 'number'],
  ['IsBoolean', (value) => typeof value === 'boolean'],
  ['IsTimestamp', (value) => typeof value === 'string' && parseInstant(value) !== undefined],
])

/**
 * `StringMatches`: `*` stands for any text, `\*` for a star and `\\` for a backslash. `undefined` for a pattern with any other
 * backslash, which fails when it is used. The time grows with the lengths only.
 */
export const compileWildcard = (pattern: string): ((text: string) => boolean) | undefined => {
  const parts = splitAtStars(pattern)
  if (!parts) return undefined
  const first = parts[0]!
  const last = parts[parts.length - 1]!
  if (parts.length === 1) return (text) => text === first
  return (text) => {
    if (text.length < first.length + last.length || !text.startsWith(first) || !text.endsWith(last)) return false
    let at = first.length
    for (const part of parts.slice(1, -1)) {
      const found = text.indexOf(part, at)
      if (found < 0) return false
      at = found + part.length
    }
    return at <= text.length - last.length
  }
}

const splitAtStars = (pattern: string): string[] | undefined => {
  const parts = ['']
  for (let i = 0; i < pattern.length; i++) {
    const ch = pattern[i]!
    const next = pattern[i + 1]
    if (ch === '*') parts.push('')
    else if (ch === '\\') {
      if (next !== '*' && next !== '\\') return undefined
      parts[parts.length - 1] += next
      i++
    } else parts[parts.length - 1] += ch
  }
  return parts
}
