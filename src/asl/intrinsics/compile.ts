/** Compiles intrinsic calls: the functions and their argument counts are settled once, the arguments at each evaluation. */
import type { Json } from '../../platform/json.ts'
import { EngineError, runtimeError, STATES } from '../errors.ts'
import type { Focus } from '../query/focus.ts'
import { compileLookUp } from '../query/path.ts'
import { arrays } from './arrays.ts'
import { encoding } from './encoding.ts'
import { type Intrinsic, IntrinsicFailure } from './failure.ts'
import { math } from './math.ts'
import { type Argument, type Call, parseIntrinsic } from './parse.ts'
import { formatValue, text } from './text.ts'

const FUNCTIONS: ReadonlyMap<string, Intrinsic> = new Map(Object.entries({ ...arrays, ...encoding, ...math, ...text }))

/** Throws a plain `Error` for an unknown function, a wrong number of arguments or a text that is not a call. */
export const compileIntrinsic = (source: string): ((focus: Focus) => Json) => {
  const evaluate = compileCall(parseIntrinsic(source), source)
  return (focus) => {
    try {
      return evaluate(focus)
    } catch (error) {
      if (!(error instanceof IntrinsicFailure)) throw error
      const cause = `The function '${source}' had the following error: ${error.causeText}`
      throw new EngineError(STATES.intrinsicFailure, cause, { reason: error })
    }
  }
}

const compileCall = (call: Call, source: string): ((focus: Focus) => Json) => {
  const fn = FUNCTIONS.get(call.name)
  if (!fn) throw new Error(`unknown function ${call.name} in '${source}'`)
  const [least, most] = fn.arity
  if (call.args.length < least || call.args.length > most) {
    const wanted =
      least === most ? `${least}` : most === Number.POSITIVE_INFINITY ? `at least ${least}` : `${least} to ${most}`
    throw new Error(`${call.name} takes ${wanted} arguments, not ${call.args.length}, in '${source}'`)
  }
  const first = call.args[0]
  const args = call.args.map((arg) => compileArgument(arg, source))
  if (call.name === 'States.Format' && first?.kind === 'text') return compileFormat(first.pieces, args.slice(1))
  return (focus) =>
    fn.call(
      args.map((arg) => arg(focus)),
      focus.around,
    )
}

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
        throw runtimeError(
          `The JSONPath '${arg.path.source}' in the function '${source}' could not be found in the input.`,
        )
      }
    }
  }
}

/** `States.Format` with a written template: its placeholders are known, so their number is checked here. */
const compileFormat = (
  pieces: readonly string[],
  args: readonly ((focus: Focus) => Json)[],
): ((focus: Focus) => Json) => {
  if (pieces.length - 1 !== args.length) {
    throw new Error(`States.Format has ${pieces.length - 1} placeholders but ${args.length} values`)
  }
  return (focus) => pieces.reduce((out, piece, i) => out + formatValue(args[i - 1]!(focus)) + piece)
}
