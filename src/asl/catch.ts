/** `Catch`: where a run goes on after an error, and with which data. */
import type { Json, JsonObject } from '../platform/json.ts'
import { compileAssign, compileOptional, compileResultPath } from './data-flow.ts'
import { type AslError, nameCovers } from './errors.ts'
import type { Maybe, QueryLanguage } from './query/focus.ts'
import type { Exit } from './states/exit.ts'
import type { Visit } from './visit.ts'

export interface Catcher {
  readonly errorEquals: readonly string[]
  readonly next: string
  exit(visit: Visit, errorOutput: JsonObject): Maybe<Exit>
}

export const compileCatchers = (field: Json | undefined, language: QueryLanguage): Catcher[] =>
  ((field ?? []) as JsonObject[]).map((catcher, i) => {
    const toVariables = compileAssign(catcher.Assign, language, `Catch[${i}]`)
    const toOutput =
      language === 'JSONata' ? compileOptional(catcher.Output, `Catch[${i}]/Output`, language) : undefined
    const merge = compileResultPath(catcher.ResultPath)
    const next = catcher.Next as string
    return {
      errorEquals: catcher.ErrorEquals as string[],
      next,
      async exit(visit, errorOutput) {
        const focus = visit.focus(errorOutput, { errorOutput })
        const assigned = toVariables && ((await toVariables(focus)) as JsonObject)
        if (language === 'JSONata') return { output: toOutput ? await toOutput(focus) : errorOutput, assigned, next }
        return { output: merge(visit.input, errorOutput), assigned, next }
      },
    }
  })

export const findCatcher = (catchers: readonly Catcher[], error: AslError): Catcher | undefined =>
  catchers.find((catcher) => catcher.errorEquals.some((name) => nameCovers(name, error)))

/** What a catcher sees of an error. One without a cause (a time-out) shows an empty text, one without anything shows `null`. */
export const errorOutput = ({ error, causeText }: AslError): JsonObject => ({
  Error: error ?? null,
  Cause: causeText ?? (error === undefined ? null : ''),
})
