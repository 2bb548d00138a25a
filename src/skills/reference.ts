/** How a skill and its tools are named from elsewhere: `NAME`, `NAME@VERSION`, `NAME/TOOL`, and the kind of a task. */
import { skillReferenceErrors } from './errors.ts'

export interface SkillReference {
  readonly skill: string
  /** The current version if left out. */
  readonly version: number | undefined
  /** All tools if left out. */
  readonly tool: string | undefined
}

const REFERENCE = /^([\w-]{1,100})(?:@([1-9]\d{0,8}))?(?:\/([\w-]{1,100}))?$/
const KIND_PREFIX = 'skill:'

/** Throws `skill_reference_invalid`. */
export const parseReference = (text: string): SkillReference => {
  const match = REFERENCE.exec(text)
  if (!match) throw invalid(text, 'NAME, NAME@VERSION, NAME/TOOL or NAME@VERSION/TOOL')
  return toReference(match)
}

/** Throws `skill_reference_invalid`. */
export const parseKind = (kind: string): SkillReference & { readonly tool: string } => {
  const match = kind.startsWith(KIND_PREFIX) ? REFERENCE.exec(kind.slice(KIND_PREFIX.length)) : null
  const tool = match?.[3]
  if (!match || tool === undefined) throw invalid(kind, 'skill:NAME/TOOL or skill:NAME@VERSION/TOOL')
  return { ...toReference(match), tool }
}

export const kindOf = ({ skill, version }: SkillReference, tool: string): string =>
  `${KIND_PREFIX}${skill}${version === undefined ? '' : `@${version}`}/${tool}`

const toReference = ([, skill = '', version, tool]: RegExpExecArray): SkillReference => ({
  skill,
  version: version === undefined ? undefined : Number(version),
  tool,
})

const invalid = (text: string, expected: string): Error =>
  skillReferenceErrors.skill_reference_invalid(
    `${JSON.stringify(text.slice(0, 200))} does not name a skill: write ${expected}`,
  )
