/** What validation found: where, and what is wrong. */

export type FindingCode =
  /** The text is neither JSON nor YAML, or not an object. */
  | 'INVALID_JSON_DESCRIPTION'
  | 'MISSING_FIELD'
  | 'UNKNOWN_FIELD'
  /** A field that does not go with another one, with the state's type or with its query language. */
  | 'NOT_ALLOWED'
  | 'INVALID_VALUE'
  | 'INVALID_PATH'
  | 'INVALID_EXPRESSION'
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

/** A definition that cannot be compiled. */
export class InvalidDefinition extends Error {
  readonly findings: readonly Finding[]

  constructor(findings: readonly Finding[]) {
    super(findings.map((finding) => `${finding.location || '/'}: ${finding.message}`).join('; '))
    this.name = 'InvalidDefinition'
    this.findings = findings
  }
}
