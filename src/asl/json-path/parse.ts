/** Reads a JSONPath into steps, in the dialect of the service (Jayway's): names, indexes, slices, wildcards, scans, filters. */
import { VARIABLE_PART, VARIABLE_START } from '../variable-name.ts'
import { parseFilter } from './parse-filter.ts'
import type { ParsedPath, PathFunction, PathRoot, PathStep } from './path.ts'
import { makeReader, type Reader } from './reader.ts'

/** Of names behind a point. A path by itself takes nearly everything; within a function or a filter the text around it ends it. */
const NAME_CHARACTER = /[^\s.[(]/u
const NAME_CHARACTER_INSIDE = /[^\s.[\]()'",!<>=&|*?]/u
const FUNCTIONS = new Set(['length', 'size', 'min', 'max', 'avg', 'sum', 'stddev', 'keys', 'first', 'last'])

/** Throws a plain `Error` that says where the text stops being a path. */
export const parsePath = (source: string, nameCharacter = NAME_CHARACTER): ParsedPath => {
  const reader = makeReader(source)
  const path = readPath(reader, nameCharacter)
  reader.skipSpace()
  if (!reader.done()) throw reader.error('expected the end of the path')
  return path
}

/** Reads a path that stands in a longer text, up to what cannot continue it. */
export const readPath = (reader: Reader, nameCharacter = NAME_CHARACTER_INSIDE): ParsedPath => {
  const from = reader.place()
  const root = readRoot(reader)
  const steps = readSteps(reader, nameCharacter)
  return { source: reader.since(from), root, steps, definite: isDefinite(steps) }
}

const isDefinite = (steps: readonly PathStep[]): boolean =>
  steps.every(({ kind }, i) => {
    return kind === 'name' || kind === 'index' || kind === 'function' || (kind === 'names' && i === steps.length - 1)
  })

const readRoot = (reader: Reader): PathRoot => {
  reader.expect('$')
  if (reader.take('$')) return { kind: 'context' }
  if (!VARIABLE_START.test(reader.peek())) return { kind: 'data' }
  return { kind: 'variable', name: reader.takeWhile(VARIABLE_PART) }
}

/** Reads steps until something that cannot continue a path; the caller decides whether that is an error. */
const readSteps = (reader: Reader, nameCharacter: RegExp): PathStep[] => {
  const steps: PathStep[] = []
  for (;;) {
    if (reader.take('..')) {
      steps.push({ kind: 'scan' })
      steps.push(reader.peek() === '[' ? readBracket(reader) : readName(reader, nameCharacter))
    } else if (reader.take('.')) {
      steps.push(reader.peek() === '[' ? readBracket(reader) : readName(reader, nameCharacter))
    } else if (reader.peek() === '[') {
      steps.push(readBracket(reader))
    } else {
      return steps
    }
  }
}

const readName = (reader: Reader, nameCharacter: RegExp): PathStep => {
  if (reader.take('*')) return { kind: 'wildcard' }
  const name = reader.takeWhile(nameCharacter)
  if (name === '') throw reader.error('expected a name')
  if (reader.peek() !== '(') return { kind: 'name', name }
  if (!FUNCTIONS.has(name)) throw reader.error(`unknown function ${name}()`)
  reader.expect('(')
  reader.skipSpace()
  reader.expect(')')
  return { kind: 'function', name: name as PathFunction }
}

const readBracket = (reader: Reader): PathStep => {
  reader.expect('[')
  reader.skipSpace()
  const step = readBracketBody(reader)
  reader.skipSpace()
  reader.expect(']')
  return step
}

const readBracketBody = (reader: Reader): PathStep => {
  if (reader.take('*')) return { kind: 'wildcard' }
  if (reader.take('?')) {
    reader.skipSpace()
    reader.expect('(')
    const test = parseFilter(reader, (inner) => readSteps(inner, NAME_CHARACTER_INSIDE))
    reader.skipSpace()
    reader.expect(')')
    return { kind: 'filter', test }
  }
  if (reader.peek() === "'" || reader.peek() === '"') return readNames(reader)
  return readIndexes(reader)
}

const readNames = (reader: Reader): PathStep => {
  const names = [reader.quoted()]
  for (reader.skipSpace(); reader.take(','); reader.skipSpace()) {
    reader.skipSpace()
    names.push(reader.quoted())
  }
  return names.length === 1 ? { kind: 'name', name: names[0]! } : { kind: 'names', names }
}

const readIndexes = (reader: Reader): PathStep => {
  const first = reader.integer()
  reader.skipSpace()
  if (reader.take(':')) {
    reader.skipSpace()
    const to = reader.integer()
    reader.skipSpace()
    if (first === undefined && to === undefined) throw reader.error('a slice needs a beginning or an end')
    // A step may be written and is not looked at, as in the service's library.
    if (reader.take(':')) reader.integer()
    return { kind: 'slice', from: first, to }
  }
  if (first === undefined) throw reader.error('expected an index, a quoted name, a slice, a wildcard or a filter')
  const indexes = [first]
  for (; reader.take(','); reader.skipSpace()) {
    reader.skipSpace()
    const next = reader.integer()
    if (next === undefined) throw reader.error('expected an index')
    indexes.push(next)
  }
  return indexes.length === 1 ? { kind: 'index', index: first } : { kind: 'indexes', indexes }
}
