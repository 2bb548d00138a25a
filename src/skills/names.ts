/** The names that skills and tools may have. */
import type { Finding } from '../platform/errors.ts'

/**
 * Single dashes and underscores between letters and digits: a model gets a tool as `NAME__TOOL`, which must mean one tool
 * only and stay within the 64 characters that model APIs allow.
 */
const NAME = /^[a-zA-Z0-9]+(?:[-_][a-zA-Z0-9]+)*$/

export const LONGEST_SKILL_NAME = 30
export const LONGEST_TOOL_NAME = 32

export const nameRule = (longest: number): string =>
  `1 to ${longest} letters and digits, with single dashes or underscores between them`

/** What is wrong with the name, if anything. */
export const checkName = (path: string, name: unknown, longest: number): Finding[] => {
  if (typeof name === 'string' && name.length <= longest && NAME.test(name)) return []
  const given = typeof name === 'string' ? name.slice(0, 100) : name
  return [
    { path, message: `must be ${nameRule(longest)}, was ${JSON.stringify(given)}`, given, expected: nameRule(longest) },
  ]
}

export const modelName = (skill: string, tool: string): string => `${skill}__${tool}`
