/** Checks a definition before it is stored or run: every finding says where, and what is wrong. */
import type { Json, JsonObject } from '../../platform/json.ts'
import type { Finding } from '../finding.ts'
import type { QueryLanguage } from '../query/focus.ts'
import { isObject } from '../values.ts'
import { checkGraph } from './graph.ts'
import { makePlace, notSupported, type Place, requireFields, statePlace } from './report.ts'
import { checkLanguage, checkState } from './state.ts'
import { checkNumber } from './values.ts'
import { checkVariables } from './variables.ts'

export interface Validation {
  /** No finding is an error. */
  readonly ok: boolean
  readonly findings: readonly Finding[]
}

export interface ValidateOptions {
  /** Express runs cannot wait for callbacks, nested runs or activities. */
  readonly type?: 'STANDARD' | 'EXPRESS'
}

/** Machines within machines, and objects within objects: no sensible definition is deeper, and checking is recursive. */
const DEEPEST_NESTING = 50
const DEEPEST_VALUE = 500

/** Never throws, whatever is handed to it. */
export const validate = (definition: unknown, options: ValidateOptions = {}): Validation => {
  const findings: Finding[] = []
  const place = makePlace(findings)
  if (!isObject(definition)) place.error('INVALID_JSON_DESCRIPTION', 'a definition must be an object')
  else if (isTooDeep(definition))
    place.error('NOT_ALLOWED', `a definition must not be nested over ${DEEPEST_VALUE} levels`)
  else
    checkDefinition(
      definition,
      { findings, isExpress: options.type === 'EXPRESS', names: new Map(), labels: new Set() },
      place,
    )
  if (isObject(definition) && !hasErrors(findings)) checkVariables(definition, findings)
  return { ok: !hasErrors(findings), findings }
}

/** Without recursion, since that is what it guards. */
const isTooDeep = (definition: JsonObject): boolean => {
  let level: unknown[] = [definition]
  for (let depth = 0; depth <= DEEPEST_VALUE; depth++) {
    level = level.flatMap((value) => (typeof value === 'object' && value !== null ? Object.values(value) : []))
    if (level.length === 0) return false
  }
  return true
}

const hasErrors = (findings: readonly Finding[]): boolean => findings.some((finding) => finding.severity === 'error')

interface Check {
  readonly findings: Finding[]
  readonly isExpress: boolean
  /** Where each state's name was seen first. */
  readonly names: Map<string, string>
  /** `Label` of the Maps so far. */
  readonly labels: Set<string>
}

const TOP_FIELDS = ['Comment', 'StartAt', 'States', 'TimeoutSeconds', 'Version', 'QueryLanguage']
const INNER_FIELDS = ['Comment', 'StartAt', 'States', 'ProcessorConfig']

const checkDefinition = (definition: JsonObject, check: Check, place: Place): void => {
  const { Version, TimeoutSeconds } = definition
  refuseUnknown(definition, TOP_FIELDS, place)
  if (Version !== undefined && Version !== '1.0') place.at('Version').error('INVALID_VALUE', "must be '1.0'")
  if (TimeoutSeconds !== undefined) {
    checkNumber(TimeoutSeconds, { least: 1, most: 99_999_999, whole: true }, 'JSONPath', place.at('TimeoutSeconds'))
  }
  const language = checkLanguage(definition.QueryLanguage, 'JSONPath', place)
  checkMachine(definition, language, check, place, 0)
}

const refuseUnknown = (object: JsonObject, known: readonly string[], place: Place): void => {
  for (const key of Object.keys(object)) {
    if (!known.includes(key)) place.at(key).error('UNKNOWN_FIELD', notSupported(key))
  }
}

const checkMachine = (machine: Json, language: QueryLanguage, check: Check, place: Place, depth: number) => {
  if (!isObject(machine)) return place.error('INVALID_VALUE', 'must be an object with StartAt and States')
  if (depth > DEEPEST_NESTING)
    return place.error('NOT_ALLOWED', `more than ${DEEPEST_NESTING} machines within one another`)
  requireFields(machine, ['StartAt', 'States'], place)
  if (machine.StartAt !== undefined && typeof machine.StartAt !== 'string')
    place.at('StartAt').error('INVALID_VALUE', 'must be the name of a state')
  const { States: states } = machine
  if (states === undefined) return
  if (!isObject(states) || Object.keys(states).length === 0) {
    return place.at('States').error('INVALID_VALUE', 'must be an object with at least one state')
  }
  const placeOf = (name: string): Place => statePlace(check.findings, place, name)
  for (const [name, state] of Object.entries(states)) {
    const at = placeOf(name)
    const before = check.names.get(name)
    if (before === undefined) check.names.set(name, at.pointer)
    else at.error('DUPLICATE_STATE_NAME', `Duplicate State name: ${name}, as at ${before}`)
    const own = checkState(name, state, { language, isExpress: check.isExpress, labels: check.labels }, at)
    if (own && isObject(state)) checkInner(state, language, check, at, depth + 1)
  }
  checkGraph(machine, states, place, placeOf)
}

/** The machines inside a Parallel or a Map. */
const checkInner = (state: JsonObject, language: QueryLanguage, check: Check, place: Place, depth: number): void => {
  const inner: [Json, Place][] = []
  if (state.Type === 'Parallel' && Array.isArray(state.Branches)) {
    state.Branches.forEach((branch, i) => {
      inner.push([branch, place.at('Branches').at(i)])
    })
  }
  for (const field of state.Type === 'Map' ? ['ItemProcessor', 'Iterator'] : []) {
    if (state[field] !== undefined) inner.push([state[field], place.at(field)])
  }
  for (const [machine, at] of inner) {
    if (isObject(machine)) refuseUnknown(machine, INNER_FIELDS, at)
    checkMachine(machine, language, check, at, depth)
  }
}
