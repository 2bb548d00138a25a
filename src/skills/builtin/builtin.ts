/** The skills that come with the system. */
import { type Clock, systemClock } from '../../platform/clock.ts'
import type { Outbound } from '../../platform/outbound/outbound.ts'
import type { BuiltinSkill } from '../tool.ts'
import { makeSchemaCompiler, withInputCheck } from '../tool-input.ts'
import { makeCoreSkill } from './core.ts'
import { makeDataSkill } from './data.ts'
import { type FilesRoot, makeFilesSkill } from './files.ts'
import { makeHttpSkill } from './http.ts'
import { makeTextSkill } from './text.ts'

export interface BuiltinOptions {
  /** A folder for all tenants, or what gives each its own. Where several tenants share a folder they see each other's files. */
  readonly filesRoot: FilesRoot
  readonly outbound: Outbound
  readonly clock?: Clock
}

/** Every tool checks its input first, and rejects with `tool_input_invalid`. */
export const makeBuiltinSkills = (options: BuiltinOptions): BuiltinSkill[] => {
  const { filesRoot, outbound, clock = systemClock } = options
  const compileSchema = makeSchemaCompiler({ trusted: true })
  const skills = [
    makeCoreSkill(clock),
    makeDataSkill(),
    makeFilesSkill(filesRoot),
    makeHttpSkill({ outbound, clock }),
    makeTextSkill(),
  ]
  return skills.map((skill) => ({ ...skill, tools: skill.tools.map((tool) => withInputCheck(tool, compileSchema)) }))
}
