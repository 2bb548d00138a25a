/** Tables of skills. */
import type { OwnKind, SkillStatus } from './types.ts'

export type SkillTables = {
  skills: {
    id: string
    tenant_id: string
    project_id: string | null
    name: string
    kind: OwnKind
    status: SkillStatus
    version: number
    created_at: number
    updated_at: number
  }
  skill_versions: {
    skill_id: string
    version: number
    tenant_id: string
    /** A `SkillContent`, its description first. */
    definition: string
    created_at: number
  }
}
