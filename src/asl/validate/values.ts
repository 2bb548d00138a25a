/** Checks the value of one field against its kind. */
import type { Json } from '../../platform/json.ts'
import type { QueryLanguage } from '../query/focus.ts'
import { isExpression } from '../query/jsonata.ts'
import { parseInstant } from '../timestamps.ts'
import { isObject, kindOf } from '../values.ts'
import { isVariableName } from '../variable-name.ts'
import { checkDynamicText, checkExpression, checkPath, checkReferencePath, checkTemplate } from './expressions.ts'
import type { Kind } from './fields.ts'
import type { Place } from './report.ts'

/** The service's own bound for times, in seconds. */
const MOST = 99_999_999

export const checkValue = (value: Json, kind: Kind, language: QueryLanguage, place: Place) => {
  switch (kind) {
    case 'any':
      return
    case 'text':
    case 'dynamicText':
      if (typeof value !== 'string') wrongKind(value, 'a string', place)
      else if (kind === 'dynamicText' && language === 'JSONata') checkTemplate(value, language, place)
      return
    case 'boolean':
    case 'object':
    case 'list':
      return checkShape(value, kind, place)
    case 'path':
      return checkPath(value, place)
    case 'pathOrNull':
      if (value !== null) checkPath(value, place)
      return
    case 'referencePathOrNull':
      if (value !== null) checkReferencePath(value, place)
      return
    case 'textPath':
      return checkDynamicText(value, place)
    case 'template':
      return checkTemplate(value, language, place)
    case 'items':
      if ((typeof value !== 'object' || value === null) && !isExpression(value))
        wrongKind(value, 'an array, an object or an expression', place)
      return checkTemplate(value, language, place)
    case 'assign':
      return checkAssign(value, language, place)
    case 'timestamp':
      return checkTimestamp(value, language, place)
    case 'seconds':
      return checkNumber(value, { least: 1, most: MOST, whole: true }, language, place)
    case 'waitSeconds':
      return checkNumber(value, { least: 0, most: MOST, whole: true }, language, place)
    case 'count':
      return checkNumber(value, { least: 0, most: Number.MAX_SAFE_INTEGER, whole: true }, language, place)
    case 'percentage':
      return checkNumber(value, { least: 0, most: 100, whole: false }, language, place)
  }
}

const wrongKind = (value: Json, wanted: string, place: Place): void =>
  place.error('INVALID_VALUE', `must be ${wanted}, not ${kindOf(value)}`)

const checkShape = (value: Json, kind: 'boolean' | 'object' | 'list', place: Place): void => {
  if (kind === 'boolean' && typeof value !== 'boolean') wrongKind(value, 'true or false', place)
  if (kind === 'object' && !isObject(value)) wrongKind(value, 'an object', place)
  if (kind === 'list' && !Array.isArray(value)) wrongKind(value, 'an array', place)
}

export interface NumberRange {
  readonly least: number
  readonly most: number
  readonly whole: boolean
}

export const checkNumber = (value: Json, range: NumberRange, language: QueryLanguage, place: Place) => {
  if (language === 'JSONata' && isExpression(value)) return checkExpression(value, place)
  if (typeof value !== 'number')
    return wrongKind(value, language === 'JSONata' ? 'a number or an expression' : 'a number', place)
  if (range.whole && !Number.isInteger(value)) place.error('INVALID_VALUE', `must be a whole number, not ${value}`)
  else if (value < range.least || value > range.most) {
    place.error('INVALID_VALUE', `must be between ${range.least} and ${range.most}, not ${value}`)
  }
}

const checkTimestamp = (value: Json, language: QueryLanguage, place: Place) => {
  if (language === 'JSONata' && isExpression(value)) return checkExpression(value, place)
  if (typeof value === 'string' && parseInstant(value) !== undefined) return
  place.error('INVALID_VALUE', 'String does not match RFC3339 timestamp')
}

const checkAssign = (value: Json, language: QueryLanguage, place: Place) => {
  if (!isObject(value)) return wrongKind(value, 'an object', place)
  for (const key of Object.keys(value)) {
    const name = language === 'JSONPath' && key.endsWith('.$') ? key.slice(0, -2) : key
    if (name === 'states') place.at(key).error('NOT_ALLOWED', "the variable name 'states' is reserved")
    else if (!isVariableName(name)) {
      place.at(key).error('INVALID_VALUE', `'${name}' is not a variable name: letters, digits and _, at most 80`)
    }
  }
  checkTemplate(value, language, place)
}
