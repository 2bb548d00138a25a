/** Compiles intrinsic calls: the functions are settled once, the arguments at each evaluation. */
import type { Json } from '../../platform/json.ts'
import { runtimeError } from '../errors.ts'
import type { Focus } from '../query/focus.ts'
import { compileLookUp } from '../query/path.ts'
import { arrays } from './arrays.ts'
import { encoding } from './encoding.ts'
import { type Intrinsic, IntrinsicFailure } from './failure.ts'
import { math } from './math.ts'
import { type Argument, type Call, parseIntrinsic } from './parse.ts'
import { formatValue, text } from './text.ts'

const FUNCTIONS: ReadonlyMap<string, Intrinsic> = new Map(Object.entries({ ...arrays, ...encoding, ...math, ...text }))

export interface CompiledIntrinsic {
  (focus: Focus): Json
  /** What will fail whenever it is evaluated, such as a wrong number of arguments: the service accepts such a definition. */
  readonly flaw: string | undefined
}

/** Throws a plain `Error` for an unknown function or a text that is not a call. */
export const compileIntrinsic = (source: string): CompiledIntrinsic => {
  const call = parseIntrinsic(source)
  const flaw = flawOf(call)
  const evaluate = compileCall(call, source)
  const guarded = (focus: Focus): Json => {
    try {
      if (flaw !== undefined) throw new IntrinsicFailure(flaw)
      return evaluate(focus)
    } catch (error) {
      if (!(error instanceof IntrinsicFailure)) throw error
      throw runtimeError(`The function '${source}' had the following error: ${error.message}`, { reason: error })
    }
  }
  return Object.assign(guarded, { flaw })
}

const functionOf = ({ name }: Call): Intrinsic => {
  const fn = FUNCTIONS.get(name)
  if (fn) return fn
  throw new Error(`unknown function ${name}`)
}

const compileCall = (call: Call, source: string): ((focus: Focus) => Json) => {
  const fn = functionOf(call)
  const args = call.args.map((arg) => compileArgument(arg, source))
  const first = call.args[0]
  if (call.name === 'States.Format' && first?.kind === 'text') {
    const { pieces } = first
    const values = args.slice(1)
    return (focus) => pieces.reduce((out, piece, i) => out + formatValue(values[i - 1]!(focus)) + piece)
  }
  return (focus) => {
    const given = args.map((arg) => arg(focus))
    try {
      return fn.call(given, focus.around)
    } catch (error) {
      throw error instanceof IntrinsicFailure ? invalid(call, error.message) : error
    }
  }
}

const invalid = (call: Call, why: string): IntrinsicFailure =>
  new IntrinsicFailure(`Invalid arguments in ${call.name}. ${why}`)

const compileArgument = (arg: Argument, source: string): ((focus: Focus) => Json) => {
  switch (arg.kind) {
    case 'text':
      return () => arg.text
    case 'value':
      return () => arg.value
    case 'call':
      return compileCall(arg.call, source)
    case 'path': {
      const lookUp = compileLookUp(arg.path)
      return (focus) => {
        const value = lookUp(focus)
        if (value !== undefined) return value
        const input = JSON.stringify(focus.data)
        const field = arg.path.source
        throw new IntrinsicFailure(
          `The JsonPath argument for the field '${field}' could not be found in the input '${input}'`,
        )
      }
    }
  }
}

/** What is wrong with a call or one within it, whatever its arguments will be. */
const flawOf = (call: Call): string | undefined => {
  const [least, most] = functionOf(call).arity
  const { length } = call.args
  if (length < least || length > most) return invalid(call, `It takes ${countOf(least, most)}, not ${length}.`).message
  const first = call.args[0]
  if (call.name === 'States.Format' && first?.kind === 'text') {
    if (first.loneBrace) return invalid(call, 'A brace that is none of a {} must be escaped.').message
    const wanted = first.pieces.length - 1
    if (wanted !== length - 1) return invalid(call, `There are ${wanted} {} for ${length - 1} values.`).message
  }
  for (const arg of call.args) {
    const flaw = arg.kind === 'call' ? flawOf(arg.call) : undefined
    if (flaw !== undefined) return flaw
  }
  return undefined
}

const countOf = (least: number, most: number): string => {
  if (least === most) return `${least} arguments`
  return most === Number.POSITIVE_INFINITY ? `at least ${least} arguments` : `${least} to ${most} arguments`
}
