/** Reads the condition inside `[?( … )]`: comparisons and existence tests, joined by `&&`, `||` and `!`. */
import type { Json } from '../../platform/json.ts'
import type { Filter, Operand, PathStep } from './path.ts'
import { compilePattern, type Pattern } from './pattern.ts'
import type { Reader } from './reader.ts'

/** Longer ones first. */
const OPERATORS = ['===', '!==', '==', '!=', '<=', '>=', '<', '>']
const WORDS = ['in', 'nin', 'subsetof', 'anyof', 'noneof', 'all', 'contains', 'size', 'empty']

/** `readSteps` is handed in because paths and filters contain one another. */
export const parseFilter = (reader: Reader, readSteps: (reader: Reader) => PathStep[]): Filter => {
  const or = (): Filter => {
    let left = and()
    for (reader.skipSpace(); reader.take('||'); reader.skipSpace()) left = { kind: 'or', left, right: and() }
    return left
  }
  const and = (): Filter => {
    let left = single()
    for (reader.skipSpace(); reader.take('&&'); reader.skipSpace()) left = { kind: 'and', left, right: single() }
    return left
  }
  const single = (): Filter => {
    reader.skipSpace()
    if (reader.take('!')) return { kind: 'not', inner: single() }
    if (reader.take('(')) {
      const inner = or()
      reader.skipSpace()
      reader.expect(')')
      return inner
    }
    return comparison()
  }
  const comparison = (): Filter => {
    if (reader.peek() === '/') return matching()
    const left = operand()
    reader.skipSpace()
    if (reader.take('=~')) {
      reader.skipSpace()
      return { kind: 'matches', operand: left, pattern: pattern() }
    }
    const operator = OPERATORS.find((text) => reader.take(text)) ?? readWord()
    if (operator === '') {
      if (!('path' in left)) throw reader.error('expected a comparison')
      return { kind: 'exists', path: left.path }
    }
    if (!OPERATORS.includes(operator) && !WORDS.includes(operator)) throw reader.error(`unknown operator '${operator}'`)
    reader.skipSpace()
    return { kind: 'compare', operator, left, right: operand() }
  }
  /** The expression may also stand on the left. */
  const matching = (): Filter => {
    const left = pattern()
    reader.skipSpace()
    reader.expect('=~')
    return { kind: 'matches', operand: operand(), pattern: left }
  }
  const pattern = (): Pattern => {
    reader.expect('/')
    let source = ''
    while (!reader.take('/')) {
      // An escaped slash is part of the expression.
      if (reader.take('\\')) source += '\\'
      const ch = reader.peek()
      if (ch === '') throw reader.error('a regular expression does not end')
      reader.expect(ch)
      source += ch
    }
    try {
      return compilePattern(source, reader.takeWhile(/[A-Za-z]/))
    } catch (error) {
      throw reader.error((error as Error).message)
    }
  }
  const readWord = (): string => reader.takeWhile(/[A-Za-z]/).toLowerCase()
  const operand = (): Operand => {
    reader.skipSpace()
    const ch = reader.peek()
    if (ch === '@' || ch === '$') {
      reader.expect(ch)
      return { path: { root: ch, steps: readSteps(reader) } }
    }
    return { literal: literal() }
  }
  const literal = (): Json => {
    const ch = reader.peek()
    if (ch === "'" || ch === '"') return reader.quoted()
    if (ch === '[') return list()
    const word = reader.takeWhile(/[-+.\w]/)
    if (word === 'true') return true
    if (word === 'false') return false
    if (word === 'null') return null
    if (/^-?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?$/.test(word)) return Number(word)
    throw reader.error('expected a value')
  }
  const list = (): Json[] => {
    reader.expect('[')
    const items: Json[] = []
    for (reader.skipSpace(); !reader.take(']'); reader.skipSpace()) {
      if (items.length > 0) reader.expect(',')
      reader.skipSpace()
      items.push(literal())
    }
    return items
  }
  return or()
}
