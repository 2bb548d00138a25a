/** Collects findings, each with the place it belongs to. */
import type { JsonObject } from '../../platform/json.ts'
import type { Finding, FindingCode } from '../finding.ts'
import { pointerPart } from '../values.ts'

/** A place in the definition. */
export interface Place {
  readonly pointer: string
  readonly state: string | undefined
  /** The place of a field or list element below this one. */
  at(key: string | number): Place
  error(code: FindingCode, message: string): void
  warn(code: FindingCode, message: string): void
}

/** In the service's words, as most texts of findings that many definitions will meet. */
export const notSupported = (field: string): string => `Field '${field}' is not supported`

export const oneOf = (field: string, allowed: readonly string[]): string =>
  `The field '${field}' should have one of these values: [${allowed.join(', ')}]`

/** One finding for all that are missing. */
export const requireFields = (fields: JsonObject, required: readonly string[], place: Place): void => {
  const missing = required.filter((field) => fields[field] === undefined)
  if (missing.length > 0) place.error('MISSING_FIELD', `These fields are required: [${missing.join(', ')}]`)
}

/** More findings than this help nobody. */
const MOST_FINDINGS = 200

export const makePlace = (findings: Finding[], pointer = '', state?: string): Place => {
  const add = (severity: 'error' | 'warning', code: FindingCode, message: string): void => {
    if (findings.length >= MOST_FINDINGS) return
    const field = state === undefined ? undefined : pointer.split('/').pop()
    findings.push({
      severity,
      code,
      location: pointer,
      ...(state === undefined ? {} : { state }),
      ...(field === undefined || field === pointerPart(state ?? '') ? {} : { field }),
      message,
    })
  }
  return {
    pointer,
    state,
    at: (key) => makePlace(findings, `${pointer}/${pointerPart(String(key))}`, state),
    error: (code, message) => add('error', code, message),
    warn: (code, message) => add('warning', code, message),
  }
}

/** The place of a state; findings below it name it. */
export const statePlace = (findings: Finding[], outer: Place, name: string): Place =>
  makePlace(findings, `${outer.pointer}/States/${pointerPart(name)}`, name)
