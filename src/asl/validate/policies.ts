/** Checks `Retry` and `Catch`. */
import type { Json, JsonObject } from '../../platform/json.ts'
import { STATES } from '../errors.ts'
import type { QueryLanguage } from '../query/focus.ts'
import { isObject } from '../values.ts'
import { notSupported, oneOf, type Place, requireFields } from './report.ts'
import { checkNumber, checkValue } from './values.ts'

/** The service wants less than a leap year. */
const LONGEST_DELAY_SECONDS = 31_622_399

export const checkRetry = (field: Json | undefined, place: Place): void => {
  eachPolicy(field, place, (retrier, at) => {
    refuseUnknown(retrier, RETRIER_FIELDS, at)
    const number = (name: string, least: number, most: number, whole = true): void => {
      if (retrier[name] !== undefined) checkNumber(retrier[name], { least, most, whole }, 'JSONPath', at.at(name))
    }
    number('IntervalSeconds', 1, 99_999_999)
    number('MaxAttempts', 0, 99_999_999)
    number('BackoffRate', 1, Number.MAX_VALUE, false)
    number('MaxDelaySeconds', 1, LONGEST_DELAY_SECONDS)
    const jitter = retrier.JitterStrategy
    if (jitter !== undefined && jitter !== 'FULL' && jitter !== 'NONE') {
      at.at('JitterStrategy').error('INVALID_VALUE', oneOf('JitterStrategy', ['FULL', 'NONE']))
    }
  })
}

const RETRIER_FIELDS = [
  ...['Comment', 'ErrorEquals', 'IntervalSeconds', 'MaxAttempts', 'BackoffRate', 'MaxDelaySeconds', 'JitterStrategy'],
]
const CATCHER_FIELDS = ['Comment', 'ErrorEquals', 'Next', 'ResultPath', 'Assign', 'Output']

export const checkCatch = (field: Json | undefined, language: QueryLanguage, place: Place): void => {
  eachPolicy(field, place, (catcher, at) => {
    refuseUnknown(catcher, CATCHER_FIELDS, at)
    requireFields(catcher, ['Next'], at)
    if (catcher.Next !== undefined) checkValue(catcher.Next, 'text', 'JSONPath', at.at('Next'))
    const foreign = language === 'JSONata' ? 'ResultPath' : 'Output'
    if (catcher[foreign] !== undefined)
      at.at(foreign).error('NOT_ALLOWED', `'${foreign}' does not belong to ${language}`)
    else if (catcher.ResultPath !== undefined)
      checkValue(catcher.ResultPath, 'referencePathOrNull', language, at.at('ResultPath'))
    else if (catcher.Output !== undefined) checkValue(catcher.Output, 'template', language, at.at('Output'))
    if (catcher.Assign !== undefined) checkValue(catcher.Assign, 'assign', language, at.at('Assign'))
  })
}

const eachPolicy = (field: Json | undefined, place: Place, check: (policy: JsonObject, at: Place) => void): void => {
  if (!Array.isArray(field)) return
  for (let i = 0; i < field.length; i++) {
    const policy = field[i]!
    const at = place.at(i)
    if (!isObject(policy)) {
      at.error('INVALID_VALUE', 'must be an object')
      continue
    }
    checkErrorEquals(policy.ErrorEquals, i === field.length - 1, at)
    check(policy, at)
  }
}

const checkErrorEquals = (names: Json | undefined, isLast: boolean, place: Place) => {
  if (names === undefined) return requireFields({}, ['ErrorEquals'], place)
  const at = place.at('ErrorEquals')
  if (!Array.isArray(names) || names.length === 0 || !names.every((name) => typeof name === 'string')) {
    return at.error('INVALID_VALUE', 'must be a non-empty array of error names')
  }
  if (!names.includes(STATES.all)) return
  if (names.length > 1) at.error('NOT_ALLOWED', 'States.ALL must stand alone')
  if (!isLast) at.error('NOT_ALLOWED', 'States.ALL must come last: nothing after it would ever match')
}

const refuseUnknown = (policy: JsonObject, known: readonly string[], place: Place): void => {
  for (const key of Object.keys(policy)) {
    if (!known.includes(key)) place.at(key).error('UNKNOWN_FIELD', notSupported(key))
  }
}
