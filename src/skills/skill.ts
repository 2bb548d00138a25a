/** Skills as the rest of the system sees them, made of what the database and the program hold. */
import type { StandaloneEvent } from '../platform/events/event.ts'
import type { BuiltinSkill } from './tool.ts'
import type { Skill, SkillContent, SkillRecord, SkillSummary, ToolSummary } from './types.ts'

/** Builtin skills change with the program alone. */
export const BUILTIN_VERSION = 1

export const toSummary = (record: SkillRecord, description: string): SkillSummary => {
  const { tenantId: _, ...rest } = record
  return { ...rest, description }
}

export const toSkill = (record: SkillRecord, { description, definition }: SkillContent): Skill => ({
  ...toSummary(record, description),
  definition,
  tools: definition.tools.map((tool) => toTool({ inputSchema: { type: 'object' }, ...tool })),
})

export const toBuiltin = ({ name, description, tools }: BuiltinSkill): Skill => ({
  id: `builtin:${name}`,
  projectId: null,
  name,
  kind: 'builtin',
  status: 'active',
  version: BUILTIN_VERSION,
  description,
  createdAtMs: 0,
  updatedAtMs: 0,
  definition: null,
  tools: tools.map(toTool),
})

const toTool = ({ name, description, inputSchema }: ToolSummary): ToolSummary => ({ name, description, inputSchema })

export const eventOf = (skill: SkillRecord, type: string): StandaloneEvent => ({
  tenantId: skill.tenantId,
  projectId: skill.projectId,
  type,
  data: { skillId: skill.id, name: skill.name, kind: skill.kind, version: skill.version },
  atMs: skill.updatedAtMs,
})
