/** What validation found: where, and what is wrong. */

export type FindingCode =
  /** The text is neither JSON nor YAML, or not an object. */
  | 'INVALID_JSON_DESCRIPTION'
  | 'MISSING_FIELD'
  | 'UNKNOWN_FIELD'
  /** A field that does not go with another one, with the state's type or with its query language. */
  | 'NOT_ALLOWED'
  | 'INVALID_VALUE'
  /** Neither a path nor, where one may stand, an intrinsic function. */
  | 'INVALID_PATH'
  /** JSONata that does not parse; as a warning, an intrinsic function that will fail. */
  | 'INVALID_EXPRESSION'
  /** JSONata that reads what is not there: a context, or a field of `$states` that this place has not. */
  | 'UNSUPPORTED_EXPRESSION'
  /** `Next`, `Default` or `StartAt` names a state that is not there. */
  | 'MISSING_TRANSITION_TARGET'
  | 'UNREACHABLE_STATE'
  | 'MISSING_END_STATE'
  | 'DUPLICATE_STATE_NAME'
  | 'UNASSIGNED_VARIABLE'

export interface Finding {
  /** A definition with an error is refused; a warning is advice. */
  readonly severity: 'error' | 'warning'
  readonly code: FindingCode
  /** JSON Pointer into the definition; '' is the whole. */
  readonly location: string
  readonly state?: string
  readonly field?: string
  readonly message: string
}

/** Codes of the service for those that it has no such fine names for. */
const SERVICE_CODES: Partial<Record<FindingCode, string>> = {
  INVALID_EXPRESSION: 'INVALID_JSONATA_EXPRESSION',
  UNSUPPORTED_EXPRESSION: 'UNSUPPORTED_JSONATA_EXPRESSION',
  MISSING_FIELD: 'SCHEMA_VALIDATION_FAILED',
  UNKNOWN_FIELD: 'SCHEMA_VALIDATION_FAILED',
  NOT_ALLOWED: 'SCHEMA_VALIDATION_FAILED',
  INVALID_VALUE: 'SCHEMA_VALIDATION_FAILED',
  INVALID_PATH: 'SCHEMA_VALIDATION_FAILED',
  UNREACHABLE_STATE: 'MISSING_TRANSITION_TARGET',
}

const LIST_INDEX = /\/(Branches|Choices|Catch|Retry|And|Or)\/(\d+)/g

/** A finding as the service puts it where it refuses a definition. */
export const inServiceForm = ({ code, location, message }: Finding): string => {
  const at = code === 'MISSING_END_STATE' ? 'null' : location.replace(LIST_INDEX, '/$1[$2]') || '/'
  return `${SERVICE_CODES[code] ?? code}: ${message} at ${at}`
}

/** A definition that cannot be compiled. */
export class InvalidDefinition extends Error {
  readonly findings: readonly Finding[]

  constructor(findings: readonly Finding[]) {
    super(findings.map((finding) => `${finding.location || '/'}: ${finding.message}`).join('; '))
    this.name = 'InvalidDefinition'
    this.findings = findings
  }
}
