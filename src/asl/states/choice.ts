/** Choice: the first rule that matches says where to go. */
import type { Json, JsonObject } from '../../platform/json.ts'
import { type Condition, compileCondition, compileRule } from '../choice.ts'
import { compileAssign, compileDataFlow, compileOptional } from '../data-flow.ts'
import { runtimeError } from '../errors.ts'
import type { Evaluate } from '../query/focus.ts'
import type { Exit } from './exit.ts'
import type { CompileContext, Execute } from './state.ts'

interface Rule {
  readonly test: Condition
  readonly next: string
  readonly toVariables: Evaluate | undefined
  readonly toOutput: Evaluate | undefined
}

export const compileChoice = (state: JsonObject, { language }: CompileContext): Execute => {
  const flow = compileDataFlow(state, language)
  const isJsonata = language === 'JSONata'
  const rules = (state.Choices as JsonObject[]).map((rule, i): Rule => {
    const at = `Choices[${i}]` as const
    return {
      test: isJsonata ? compileCondition(rule.Condition!, `${at}/Condition`) : compileRule(rule),
      next: rule.Next as string,
      toVariables: compileAssign(rule.Assign, language, at),
      toOutput: isJsonata ? compileOptional(rule.Output, `${at}/Output`, language) : undefined,
    }
  })
  const fallback = state.Default as string | undefined
  // The output of a rule is not the state's: `Assign` and `Output` of the state itself belong to the default.
  const bare = compileDataFlow({ ...state, Assign: undefined, Output: undefined } as unknown as JsonObject, language)
  return async (visit): Promise<Exit> => {
    const effective = flow.effectiveInput(visit)
    const focus = visit.focus(effective)
    for (const { test, next, toVariables, toOutput } of rules) {
      const answer = test(focus)
      if (!(typeof answer === 'boolean' ? answer : await answer)) continue
      const assigned = toVariables && ((await toVariables(focus)) as JsonObject)
      const output: Json = toOutput ? await toOutput(focus) : (await bare.finish(visit, effective)).output
      return { output, assigned, next }
    }
    if (fallback === undefined) {
      // The specification names this States.NoChoiceMatched; the service ends the run like any other run-time error.
      throw runtimeError('Failed to transition out of the state. The state does not point to a next state.')
    }
    return { ...(await flow.finish(visit, effective)), next: fallback }
  }
}
