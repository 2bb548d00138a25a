/** What validation found: where, and what is wrong. */

export type FindingCode =
  | 'INVALID_JSON_DESCRIPTION'
  | 'SCHEMA_VALIDATION_FAILED'
  | 'MISSING_FIELD'
  | 'UNKNOWN_FIELD'
  | 'INVALID_VALUE'
  | 'INVALID_EXPRESSION'
  | 'INVALID_PATH'
  | 'MISSING_TARGET'
  | 'UNREACHABLE_STATE'
  | 'NO_END'
  | 'DUPLICATE_NAME'
  | 'NOT_ALLOWED'
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
