/** Checks one state: its fields, their values and how they go together. */
import type { Json, JsonObject } from '../../platform/json.ts'
import type { QueryLanguage } from '../query/focus.ts'
import { isExpression } from '../query/jsonata.ts'
import type { StateType } from '../states/state.ts'
import { isObject } from '../values.ts'
import { checkChoices } from './choice.ts'
import { eachText } from './evaluated.ts'
import { checkStatesFields, type StatesField } from './expressions.ts'
import { EXCLUSIVE, STATE_FIELDS, STATE_TYPES } from './fields.ts'
import { checkMap } from './map.ts'
import { checkCatch, checkRetry } from './policies.ts'
import { notSupported, oneOf, type Place, requireFields } from './report.ts'
import { checkValue } from './values.ts'

export interface StateRules {
  readonly language: QueryLanguage
  readonly isExpress: boolean
  /** Of the Maps that were checked so far. */
  readonly labels: Set<string>
}

const LONGEST_NAME = 80

/** Gives the language of the state, or `undefined` when it is so broken that nothing in it can be checked. */
export const checkState = (name: string, state: Json, rules: StateRules, place: Place): QueryLanguage | undefined => {
  if (!isObject(state)) {
    place.error('INVALID_VALUE', 'a state must be an object')
    return undefined
  }
  if (name.length > LONGEST_NAME)
    place.error('INVALID_VALUE', `a state's name must not be longer than ${LONGEST_NAME} characters`)
  const language = checkLanguage(state.QueryLanguage, rules.language, place)
  const type = state.Type as StateType
  requireFields(state, ['Type'], place)
  if (state.Type === undefined) return undefined
  if (!STATE_TYPES.includes(type)) {
    place.at('Type').error('INVALID_VALUE', oneOf('Type', STATE_TYPES))
    return undefined
  }
  checkFields(state, type, language, place)
  checkTransition(state, type, place)
  checkRetry(state.Retry, place.at('Retry'))
  checkCatch(state.Catch, language, place.at('Catch'))
  if (language === 'JSONata') checkStatesAccess(state, type, place)
  if (type === 'Choice') checkChoices(state.Choices, language, place.at('Choices'))
  if (type === 'Wait') checkWait(state, place)
  if (type === 'Task') checkTask(state, rules.isExpress, place)
  if (type === 'Map') checkMap(state, { ...rules, language }, place)
  if (type === 'Parallel' && Array.isArray(state.Branches) && state.Branches.length === 0) {
    place.at('Branches').error('INVALID_VALUE', 'must have at least one branch')
  }
  return language
}

export const checkLanguage = (value: Json | undefined, outer: QueryLanguage, place: Place): QueryLanguage => {
  if (value === undefined) return outer
  if (value !== 'JSONPath' && value !== 'JSONata') {
    place.at('QueryLanguage').error('INVALID_VALUE', oneOf('QueryLanguage', ['JSONPath', 'JSONata']))
    return outer
  }
  if (outer === 'JSONata' && value === 'JSONPath') {
    place.error('NOT_ALLOWED', "'QueryLanguage' can not be 'JSONPath' if set to 'JSONata' for whole state machine")
  }
  return value
}

const checkFields = (state: JsonObject, type: StateType, language: QueryLanguage, place: Place): void => {
  const fields = STATE_FIELDS[type]
  for (const [key, value] of Object.entries(state)) {
    const field = Object.hasOwn(fields, key) ? fields[key] : undefined
    if (!field) place.at(key).error('UNKNOWN_FIELD', notSupported(key))
    else if (field.language && field.language !== language) {
      place
        .at(key)
        .error(
          'NOT_ALLOWED',
          `The QueryLanguage is set to '${language}', but field '${key}' is only supported for the '${field.language}' QueryLanguage`,
        )
    } else checkValue(value, field.kind, language, place.at(key))
  }
  const required = Object.keys(fields).filter((key) => fields[key]?.required)
  requireFields(state, required, place)
  for (const names of EXCLUSIVE) {
    const given = names.filter((name) => state[name] !== undefined && !(name === 'End' && state.End === false))
    if (given.length > 1)
      place.error('NOT_ALLOWED', `only one of ${given.map((name) => `'${name}'`).join(' and ')} may be given`)
  }
}

/** `$states.result` is there once something has been done, `$states.errorOutput` only where an error was caught. */
const checkStatesAccess = (state: JsonObject, type: StateType, place: Place): void => {
  const hasResult = type === 'Task' || type === 'Parallel' || type === 'Map'
  eachText(state, ({ text, path }) => {
    if (!isExpression(text)) return
    const [field] = path
    const present: StatesField[] = hasResult && (field === 'Output' || field === 'Assign') ? ['result'] : []
    const at = path.reduce((outer, key) => outer.at(key), place)
    checkStatesFields(text, field === 'Catch' ? ['errorOutput'] : present, at)
  })
}

const checkTransition = (state: JsonObject, type: StateType, place: Place): void => {
  if (type === 'Choice' || type === 'Succeed' || type === 'Fail') return
  if (state.Next === undefined && state.End === undefined)
    place.error('MISSING_FIELD', "one of 'Next' and 'End' is required")
  if (state.End === false && state.Next === undefined)
    place.at('End').error('INVALID_VALUE', "must be true where there is no 'Next'")
}

const checkWait = (state: JsonObject, place: Place): void => {
  const given = ['Seconds', 'Timestamp', 'SecondsPath', 'TimestampPath'].filter((name) => state[name] !== undefined)
  if (given.length !== 1)
    place.error('MISSING_FIELD', 'exactly one of Seconds, Timestamp, SecondsPath and TimestampPath is required')
}

const checkTask = (state: JsonObject, isExpress: boolean, place: Place): void => {
  const { Resource, TimeoutSeconds, HeartbeatSeconds } = state
  if (Resource === '') place.at('Resource').error('INVALID_VALUE', 'must not be empty')
  if (
    typeof TimeoutSeconds === 'number' &&
    typeof HeartbeatSeconds === 'number' &&
    HeartbeatSeconds >= TimeoutSeconds
  ) {
    place.at('HeartbeatSeconds').error('INVALID_VALUE', 'must be less than TimeoutSeconds')
  }
  if (!isExpress || typeof Resource !== 'string') return
  const pattern = Resource.endsWith('.waitForTaskToken')
    ? '.waitForTaskToken'
    : /\.sync(:\d)?$/.test(Resource)
      ? '.sync'
      : undefined
  if (pattern)
    place
      .at('Resource')
      .error('NOT_ALLOWED', `Express state machine does not support '${pattern}' service integration `)
  else if (/(^|:)activity:/.test(Resource))
    place.at('Resource').error('NOT_ALLOWED', 'an express run cannot wait for an activity')
}
