/** What a request wants a version to hold: read as plain JSON, completed from the version before, and checked. */
import type { AppError, Finding } from '../platform/errors.ts'
import type { Json } from '../platform/json.ts'
import type { CheckDefinition } from './check.ts'
import { skillErrors } from './errors.ts'
import { checkName, LONGEST_SKILL_NAME } from './names.ts'
import type { NewSkill, OwnKind, SkillContent, SkillDefinition, SkillVersionRequest } from './types.ts'

/** Content that nobody has looked at yet. */
export interface GivenContent {
  readonly description: string
  readonly definition: Json
}

export const LONGEST_DESCRIPTION = 2000
const LARGEST_DEFINITION_BYTES = 262_144
const MOST_SHOWN = 3

/** Throws `skill_invalid` when the definition is no JSON or too large. */
export const readContent = (name: string, request: SkillVersionRequest, before: string): GivenContent => {
  const { description = before, definition } = request
  const text = toText(definition)
  if (text === undefined) {
    throw invalid(name, [{ path: '/definition', message: 'must be JSON', expected: 'an object' }])
  }
  const sizeBytes = Buffer.byteLength(text)
  if (sizeBytes > LARGEST_DEFINITION_BYTES) {
    const expected = `at most ${LARGEST_DEFINITION_BYTES} bytes as JSON`
    throw invalid(name, [{ path: '/definition', message: `has ${sizeBytes} bytes`, given: sizeBytes, expected }])
  }
  return { description, definition: JSON.parse(text) as Json }
}

const toText = (definition: unknown): string | undefined => {
  try {
    return JSON.stringify(definition)
  } catch {
    // A circle, a bigint, or nested too deeply.
    return undefined
  }
}

export const checkNewName = ({ name }: Pick<NewSkill, 'name'>): Finding[] =>
  checkName('/name', name, LONGEST_SKILL_NAME)

/** The content when all is right; throws `skill_invalid` with all that is wrong, `found` included. */
export const checkContent = async (
  name: string,
  kind: OwnKind,
  { description, definition }: GivenContent,
  checkDefinition: CheckDefinition,
  found: readonly Finding[] = [],
): Promise<SkillContent> => {
  const findings = [...found, ...checkDescription(description), ...(await checkDefinition(kind, definition))]
  if (findings.length > 0) throw invalid(name, findings)
  // Just checked.
  return { description, definition: definition as unknown as SkillDefinition }
}

const checkDescription = (description: string): Finding[] => {
  if (description.length <= LONGEST_DESCRIPTION) return []
  const message = `has ${description.length} characters, at most ${LONGEST_DESCRIPTION} are allowed`
  return [{ path: '/description', message, expected: `at most ${LONGEST_DESCRIPTION} characters` }]
}

const invalid = (name: string, findings: readonly Finding[]): AppError => {
  const shown = findings.slice(0, MOST_SHOWN).map(({ path, message }) => `${path}: ${message}`)
  const more = findings.length > MOST_SHOWN ? ` (and ${findings.length - MOST_SHOWN} more)` : ''
  return skillErrors.skill_invalid(`the skill ${JSON.stringify(name.slice(0, 100))}: ${shown.join('; ')}${more}`, {
    findings,
  })
}
