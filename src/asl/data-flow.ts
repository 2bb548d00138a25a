/** How data enters and leaves a state: the path fields of JSONPath states, and `Arguments`, `Output`, `Assign` of JSONata ones. */
import type { Json, JsonObject } from '../platform/json.ts'
import { compileWrite } from './json-path/reference-path.ts'
import type { Evaluate, Maybe, QueryLanguage } from './query/focus.ts'
import { compileJsonataTemplate } from './query/jsonata.ts'
import { compilePath } from './query/path.ts'
import { compileTemplate } from './query/template.ts'
import type { Visit } from './visit.ts'

export interface Outcome {
  readonly output: Json
  readonly assigned: JsonObject | undefined
}

export interface DataFlow {
  /** What the state works on: the input after `InputPath`. */
  effectiveInput(visit: Visit): Json
  /** What it hands to its task, branches or result: after `Parameters`, or `Arguments`. */
  payload(visit: Visit, effective: Json): Maybe<Json>
  /** The output and the variables that follow from a result. */
  finish(visit: Visit, result: Json): Maybe<Outcome>
}

export const compileDataFlow = (state: JsonObject, language: QueryLanguage): DataFlow =>
  language === 'JSONata' ? compileJsonataFlow(state) : compilePathFlow(state)

const compileJsonataFlow = (state: JsonObject): DataFlow => {
  const toArguments = compileOptional(state.Arguments, 'Arguments', 'JSONata')
  const toOutput = compileOptional(state.Output, 'Output', 'JSONata')
  const toVariables = compileAssign(state.Assign, 'JSONata')
  const keepsInput =
    state.Type === 'Pass' || state.Type === 'Wait' || state.Type === 'Choice' || state.Type === 'Succeed'
  return {
    effectiveInput: (visit) => visit.input,
    payload: async (visit, effective) => {
      const payload = toArguments ? await toArguments(visit.focus(effective)) : effective
      visit.inspect?.('afterArguments', payload)
      return payload
    },
    async finish(visit, result) {
      const focus = visit.focus(result, keepsInput ? undefined : { result })
      const output = toOutput ? await toOutput(focus) : result
      return { output, assigned: toVariables && ((await toVariables(focus)) as JsonObject) }
    },
  }
}

const compilePathFlow = (state: JsonObject): DataFlow => {
  const toInput = compileInputPath(state.InputPath)
  const toPayload = compileOptional(state.Parameters, 'Parameters', 'JSONPath')
  const toSelected = compileOptional(state.ResultSelector, 'ResultSelector', 'JSONPath')
  const toResult = compileResultPath(state.ResultPath)
  const toOutput = compileInputPath(state.OutputPath)
  const toVariables = compileAssign(state.Assign, 'JSONPath')
  return {
    effectiveInput(visit) {
      const effective = toInput ? toInput(visit, visit.input) : visit.input
      visit.inspect?.('afterInputPath', effective)
      return effective
    },
    payload(visit, effective) {
      const payload = toPayload ? (toPayload(visit.focus(effective)) as Json) : effective
      visit.inspect?.('afterParameters', payload)
      return payload
    },
    finish(visit, result) {
      const selected = toSelected ? (toSelected(visit.focus(result)) as Json) : result
      visit.inspect?.('afterResultSelector', selected)
      // Variables are made of the result itself, the output of what was selected of it.
      const assigned = toVariables && (toVariables(visit.focus(result)) as JsonObject)
      const merged = toResult(visit.input, selected)
      visit.inspect?.('afterResultPath', merged)
      return { output: toOutput ? toOutput(visit, merged) : merged, assigned }
    },
  }
}

/** `InputPath` and `OutputPath`: nothing means all, `null` means an empty object. */
const compileInputPath = (path: Json | undefined): ((visit: Visit, data: Json) => Json) | undefined => {
  if (path === undefined || path === '$') return undefined
  if (path === null) return () => ({})
  const find = compilePath(path as string)
  return (visit, data) => find(visit.focus(data))
}

/** `ResultPath`: nothing means that the result replaces the input, `null` that it is dropped. */
export const compileResultPath = (path: Json | undefined): ((input: Json, result: Json) => Json) => {
  if (path === undefined || path === '$') return (_, result) => result
  return path === null ? (input) => input : compileWrite(path as string)
}

/** A template in either language, or `undefined` when the field is not there. */
export const compileOptional = (
  field: Json | undefined,
  name: string,
  language: QueryLanguage,
): Evaluate | undefined => {
  if (field === undefined) return undefined
  return language === 'JSONata' ? compileJsonataTemplate(field, name) : compileTemplate(field)
}

/** `Assign`: all values are made before any variable changes. `of` is the rule or catcher that it is part of. */
export const compileAssign = (
  field: Json | undefined,
  language: QueryLanguage,
  of?: `Choices[${number}]` | `Catch[${number}]`,
): Evaluate | undefined => compileOptional(field, of === undefined ? 'Assign' : `${of}/Assign`, language)
