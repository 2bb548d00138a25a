/** Everything that is wrong with a definition, and what is advised: the language's own rules, and the resources that AIDOS has. */
import { type Finding as AslFinding, parseDefinition, validate } from '../asl/index.ts'
import type { Finding } from '../platform/errors.ts'
import type { JsonObject } from '../platform/json.ts'
import { type Bindings, unknownResources } from './resources.ts'

export interface DefinitionFinding {
  readonly severity: 'error' | 'warning'
  readonly code: string
  /** JSON Pointer into the definition; '' is the whole. */
  readonly location: string
  readonly state?: string
  readonly field?: string
  readonly message: string
}

export interface Check {
  readonly definition: JsonObject | undefined
  readonly findings: readonly DefinitionFinding[]
  /** The same in the form of all refused inputs. */
  readonly errors: readonly Finding[]
  readonly warnings: readonly Finding[]
}

export const checkDefinition = (
  source: JsonObject | string,
  format: 'json' | 'yaml' | undefined,
  bindings: Bindings,
): Check => {
  const parsed = parseDefinition(source, format)
  if (!parsed.ok) return toCheck(undefined, parsed.findings)
  const unknown = unknownResources(parsed.definition, bindings).map(({ state, location, resource, allowed }) => ({
    severity: 'error' as const,
    code: 'UNKNOWN_RESOURCE',
    location,
    state,
    field: location.slice(location.lastIndexOf('/') + 1),
    message: `"${resource}" is nothing that AIDOS has; allowed: ${allowed}`,
  }))
  return toCheck(parsed.definition, [...validate(parsed.definition).findings, ...unknown])
}

const toCheck = (definition: JsonObject | undefined, findings: readonly (DefinitionFinding | AslFinding)[]): Check => {
  const ofSeverity = (severity: 'error' | 'warning'): Finding[] =>
    findings.filter((finding) => finding.severity === severity).map(toFinding)
  return { definition, findings, errors: ofSeverity('error'), warnings: ofSeverity('warning') }
}

const toFinding = ({ location, state, message, code }: DefinitionFinding): Finding => ({
  path: location || '/',
  message: state === undefined ? message : `state "${state}": ${message}`,
  code,
})
