/** Pass, Succeed and Fail: states that need nobody. */
import type { Json, JsonObject } from '../../platform/json.ts'
import { compileDataFlow, compileOptional, type Outcome } from '../data-flow.ts'
import { AslError, runtimeError } from '../errors.ts'
import type { Evaluate } from '../query/focus.ts'
import { expectKind } from '../query/jsonata.ts'
import { compileField } from '../query/template.ts'
import { type CompileContext, type Execute, nextOf } from './state.ts'

export const compilePass = (state: JsonObject, { language }: CompileContext): Execute => {
  const flow = compileDataFlow(state, language)
  const next = nextOf(state)
  const result = state.Result
  if (language === 'JSONata') return async (visit) => ({ ...(await flow.finish(visit, visit.input)), next })
  return (visit) => {
    // With a result of its own the state does not look at its input at all.
    const given = result === undefined ? (flow.payload(visit, flow.effectiveInput(visit)) as Json) : result
    if (result !== undefined) visit.inspect?.('result', result)
    const { output, assigned } = flow.finish(visit, given) as Outcome
    return { output, assigned, next }
  }
}

export const compileSucceed = (state: JsonObject, { language }: CompileContext): Execute => {
  const flow = compileDataFlow(state, language)
  return async (visit) => flow.finish(visit, flow.effectiveInput(visit))
}

export const compileFail = (state: JsonObject, { language }: CompileContext): Execute => {
  const toError = compileText(state, 'Error', language === 'JSONata')
  const toCause = compileText(state, 'Cause', language === 'JSONata')
  return async (visit) => {
    if (language === 'JSONPath') visit.inspect?.('afterInputPath', visit.input)
    const focus = visit.focus(visit.input)
    const error = toError && ((await toError(focus)) as string)
    throw new AslError(error, toCause && ((await toCause(focus)) as string))
  }
}

/** `Error` and `Cause`: a text, a path or intrinsic function (`ErrorPath`), or an expression; always a text in the end. */
const compileText = (state: JsonObject, field: 'Error' | 'Cause', isJsonata: boolean): Evaluate | undefined => {
  const value = state[field]
  const pathField = `${field}Path`
  const path = state[pathField]
  if (isJsonata) {
    const evaluate = compileOptional(value, field, 'JSONata')
    return evaluate && (async (focus) => expectKind(await evaluate(focus), 'string', field, value!))
  }
  if (typeof path !== 'string') return value === undefined ? undefined : () => value
  const find = compileField(pathField, path)
  return (focus) => {
    const text = find(focus)
    if (typeof text === 'string') return text
    throw runtimeError(`The ${pathField} parameter does not reference a string: ${path} == ${JSON.stringify(text)}`)
  }
}
