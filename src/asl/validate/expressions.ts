/** Checks everything that is evaluated: paths, intrinsic functions, payload templates and JSONata. Nothing here throws. */
import type { Json } from '../../platform/json.ts'
import { type CompiledJsonata, compileJsonata } from '../../platform/jsonata.ts'
import { compileIntrinsic } from '../intrinsics/compile.ts'
import { isIntrinsic } from '../intrinsics/parse.ts'
import { parsePath } from '../json-path/parse.ts'
import { parseReferencePath } from '../json-path/reference-path.ts'
import type { QueryLanguage } from '../query/focus.ts'
import { expressionText, isExpression } from '../query/jsonata.ts'
import { isObject, kindOf } from '../values.ts'
import type { Place } from './report.ts'

const tryTo = (work: () => unknown): string | undefined => {
  try {
    work()
    return undefined
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

export const checkPath = (value: Json, place: Place) => {
  if (typeof value !== 'string') return place.error('INVALID_VALUE', `must be a path as a string, not ${kindOf(value)}`)
  const problem = tryTo(() => parsePath(value))
  if (problem !== undefined) place.error('INVALID_PATH', `'${value}' is not a JSONPath: ${problem}`)
}

export const checkReferencePath = (value: Json, place: Place) => {
  if (typeof value !== 'string') return place.error('INVALID_VALUE', `must be a path as a string, not ${kindOf(value)}`)
  const problem = tryTo(() => parseReferencePath(value))
  if (problem !== undefined) place.error('INVALID_PATH', `'${value}' must name one place in the data: ${problem}`)
}

/** A path or an intrinsic function. */
export const checkDynamicText = (value: Json, place: Place) => {
  if (typeof value !== 'string' || !isIntrinsic(value)) return checkPath(value, place)
  const problem = tryTo(() => {
    // The service accepts it, and so do we: the run would fail, so it is said beforehand.
    const { flaw } = compileIntrinsic(value)
    if (flaw !== undefined) place.warn('INVALID_EXPRESSION', `'${value}' will fail: ${flaw}`)
  })
  if (problem !== undefined) place.error('INVALID_PATH', problem)
}

/** A text of the form `{% … %}`. */
export const checkExpression = (value: string, place: Place): void => {
  const compiled = tryToCompile(value)
  if (typeof compiled === 'string') {
    place.error('INVALID_EXPRESSION', compiled.replace(/^[A-Z]\d{4}: /, ''))
    return
  }
  for (const name of compiled.references().outermost) {
    if (name === '$$') place.error('UNSUPPORTED_EXPRESSION', 'Reference to $$ is not supported. Use $states')
    else {
      const instead = `Write $states.input.${name}, or $${name} for a variable`
      place.error('UNSUPPORTED_EXPRESSION', `Reference to '${name}' at the top level is not supported. ${instead}`)
    }
  }
}

const tryToCompile = (value: string): CompiledJsonata | string => {
  try {
    return compileJsonata(expressionText(value))
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

/** A text that begins or ends like an expression without being one is a slip. */
const checkDelimiters = (value: Json, place: Place): void => {
  if (typeof value !== 'string' || (!value.startsWith('{%') && !value.endsWith('%}'))) return
  place.error('INVALID_EXPRESSION', 'an expression begins with {% and ends with %}, without spaces around')
}

/** What `$states` has in one place of a state. */
export type StatesField = 'result' | 'errorOutput'

/** Refuses an expression that reads a field of `$states` which is not there. */
export const checkStatesFields = (expression: string, present: readonly StatesField[], place: Place): void => {
  const compiled = tryToCompile(expression)
  if (typeof compiled === 'string') return
  const { fields } = compiled.references()
  for (const field of ['result', 'errorOutput'] as const) {
    if (!fields.has(`states.${field}`) || present.includes(field)) continue
    place.error('UNSUPPORTED_EXPRESSION', `Reference to '$states.${field}' is not supported here`)
  }
}

export const checkTemplate = (value: Json, language: QueryLanguage, place: Place): void => {
  if (language === 'JSONata') checkJsonataTemplate(value, place)
  else checkPathTemplate(value, place)
}

const checkPathTemplate = (value: Json, place: Place): void => {
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) checkPathTemplate(value[i]!, place.at(i))
    return
  }
  if (!isObject(value)) return
  for (const [key, inner] of Object.entries(value)) {
    if (!key.endsWith('.$')) checkPathTemplate(inner, place.at(key))
    else if (Object.hasOwn(value, key.slice(0, -2))) {
      place.at(key).error('NOT_ALLOWED', `'${key}' and '${key.slice(0, -2)}' would be the same field`)
    } else checkDynamicText(inner, place.at(key))
  }
}

const checkJsonataTemplate = (value: Json, place: Place) => {
  if (isExpression(value)) return checkExpression(value, place)
  checkDelimiters(value, place)
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) checkJsonataTemplate(value[i]!, place.at(i))
  } else if (isObject(value)) {
    for (const [key, inner] of Object.entries(value)) checkJsonataTemplate(inner, place.at(key))
  }
}
