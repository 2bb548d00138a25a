/** Reads the text of an intrinsic function call: `States.Format('{} of {}', $.n, States.ArrayLength($.items))`. */
import { readPath } from '../json-path/parse.ts'
import type { ParsedPath } from '../json-path/path.ts'
import { makeReader, type Reader } from '../json-path/reader.ts'

export type Argument =
  | { readonly kind: 'call'; readonly call: Call }
  | { readonly kind: 'path'; readonly path: ParsedPath }
  | {
      readonly kind: 'text'
      readonly text: string
      readonly pieces: readonly string[]
      /** A `{` or `}` stands there that is neither escaped nor part of a placeholder. */
      readonly loneBrace: boolean
    }
  | { readonly kind: 'value'; readonly value: number | boolean | null }

export interface Call {
  readonly name: string
  readonly args: readonly Argument[]
}

/** The service allows so many calls within calls. */
const DEEPEST_NESTING = 10

export const isIntrinsic = (text: string): boolean => /^\s*States\.[A-Za-z]/.test(text)

/** Throws a plain `Error` that says where the text stops being a call. */
export const parseIntrinsic = (source: string): Call => {
  const reader = makeReader(source)
  reader.skipSpace()
  const call = readCall(reader, 1)
  reader.skipSpace()
  if (!reader.done()) throw reader.error('expected the end of the call')
  return call
}

/** All paths among the arguments, of inner calls too. */
export const pathsOf = (call: Call): ParsedPath[] =>
  call.args.flatMap((arg) => (arg.kind === 'path' ? [arg.path] : arg.kind === 'call' ? pathsOf(arg.call) : []))

const readCall = (reader: Reader, depth: number): Call => {
  if (depth > DEEPEST_NESTING) throw reader.error(`more than ${DEEPEST_NESTING} calls within one another`)
  reader.expect('States.')
  const name = `States.${reader.takeWhile(/[A-Za-z0-9]/)}`
  reader.skipSpace()
  reader.expect('(')
  const args: Argument[] = []
  for (reader.skipSpace(); !reader.take(')'); reader.skipSpace()) {
    if (args.length > 0) reader.expect(',')
    reader.skipSpace()
    args.push(readArgument(reader, depth))
  }
  return { name, args }
}

const readArgument = (reader: Reader, depth: number): Argument => {
  const ch = reader.peek()
  if (ch === "'") return readText(reader)
  if (ch === '$') return { kind: 'path', path: readPath(reader) }
  if (ch === 'S') return { kind: 'call', call: readCall(reader, depth + 1) }
  const word = reader.takeWhile(/[-+.\w]/)
  if (word === 'true' || word === 'false') return { kind: 'value', value: word === 'true' }
  if (word === 'null') return { kind: 'value', value: null }
  if (/^-?\d+(\.\d+)?([eE][-+]?\d+)?$/.test(word)) return { kind: 'value', value: Number(word) }
  throw reader.error('expected a quoted text, a number, a path or a function call')
}

/** A text, and its pieces around the `{}` placeholders; a backslash takes the meaning from `'`, `{`, `}` and itself. */
const readText = (reader: Reader): Argument => {
  reader.expect("'")
  const pieces: string[] = []
  let text = ''
  let piece = ''
  let loneBrace = false
  for (;;) {
    const ch = reader.peek()
    if (ch === '') throw reader.error('a quoted text does not end')
    reader.expect(ch)
    if (ch === "'") return { kind: 'text', text, pieces: [...pieces, piece], loneBrace }
    if (ch === '{' && reader.take('}')) {
      pieces.push(piece)
      piece = ''
      text += '{}'
      continue
    }
    if (ch === '{' || ch === '}') loneBrace = true
    const plain = ch === '\\' ? readEscape(reader) : ch
    piece += plain
    text += plain
  }
}

const readEscape = (reader: Reader): string => {
  const ch = reader.peek()
  if (ch === '') throw reader.error('a quoted text does not end')
  reader.expect(ch)
  if (ch === "'" || ch === '{' || ch === '}' || ch === '\\') return ch
  throw reader.error("a backslash stands only before ', {, } and another backslash")
}
