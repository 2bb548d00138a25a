/** Reads and writes of skills and their versions. */
import { sql } from 'kysely'
import type { Handle } from '../platform/db/database.ts'
import { olderThan } from '../platform/db/keyset.ts'
import type { CreatedCursor } from '../platform/http/page.ts'
import { type Owner, visibleTo } from '../platform/scope.ts'
import type { SkillTables } from './schema.ts'
import type { OwnKind, SkillContent, SkillRecord, SkillStatus } from './types.ts'

export interface SkillFilter {
  readonly kind?: OwnKind
  readonly status?: SkillStatus
  /** The row before the first one wanted. */
  readonly after?: CreatedCursor
  readonly limit: number
}

const toRecord = (row: SkillTables['skills']): SkillRecord => ({
  id: row.id,
  tenantId: row.tenant_id,
  projectId: row.project_id,
  name: row.name,
  kind: row.kind,
  status: row.status,
  version: row.version,
  createdAtMs: row.created_at,
  updatedAtMs: row.updated_at,
})

/** The description comes first, so that a list can read it without the definition behind it. */
const toText = ({ description, definition }: SkillContent): string => JSON.stringify({ description, definition })
/** Enough for the longest description with every character escaped. */
const HEAD_LENGTH = 12_100
const descriptionOf = (head: string): string =>
  JSON.parse(/^\{"description":("(?:[^"\\]|\\.)*")/.exec(head)?.[1] ?? '""') as string

export const makeSkillRepository = (handle: Handle) => {
  const db = handle.withTables<SkillTables>()
  return {
    async skill(owner: Owner, name: string): Promise<SkillRecord | undefined> {
      const query = db.selectFrom('skills').selectAll().where(visibleTo(owner)).where('name', '=', name)
      const row = await query.executeTakeFirst()
      return row && toRecord(row)
    },
    async content(tenantId: string, skillId: string, version: number): Promise<SkillContent | undefined> {
      const query = db.selectFrom('skill_versions').select('definition').where('tenant_id', '=', tenantId)
      const row = await query.where('skill_id', '=', skillId).where('version', '=', version).executeTakeFirst()
      return row && (JSON.parse(row.definition) as SkillContent)
    },
    /** Newest first. */
    async skills(owner: Owner, filter: SkillFilter): Promise<(SkillRecord & { description: string })[]> {
      const { kind, status, after, limit } = filter
      let query = db
        .selectFrom('skills')
        .innerJoin('skill_versions', (join) =>
          join
            .onRef('skill_versions.skill_id', '=', 'skills.id')
            .onRef('skill_versions.version', '=', 'skills.version'),
        )
        .selectAll('skills')
        .select(sql<string>`substr(skill_versions.definition, 1, ${sql.lit(HEAD_LENGTH)})`.as('head'))
        .where(visibleTo(owner, 'skills'))
      if (kind !== undefined) query = query.where('skills.kind', '=', kind)
      if (status !== undefined) query = query.where('skills.status', '=', status)
      if (after) query = query.where(olderThan(after, 'skills'))
      const rows = await query.orderBy('skills.created_at', 'desc').orderBy('skills.id', 'desc').limit(limit).execute()
      return rows.map((row) => ({ ...toRecord(row), description: descriptionOf(row.head) }))
    },

    async add(skill: SkillRecord): Promise<void> {
      const { id, tenantId, projectId, name, kind, status, version, createdAtMs, updatedAtMs } = skill
      await db
        .insertInto('skills')
        .values({
          id,
          tenant_id: tenantId,
          project_id: projectId,
          name,
          kind,
          status,
          version,
          created_at: createdAtMs,
          updated_at: updatedAtMs,
        })
        .execute()
    },
    /** The version that `skill` names. */
    async addContent(skill: SkillRecord, content: SkillContent): Promise<void> {
      await db
        .insertInto('skill_versions')
        .values({
          skill_id: skill.id,
          version: skill.version,
          tenant_id: skill.tenantId,
          definition: toText(content),
          created_at: skill.updatedAtMs,
        })
        .execute()
    },
    /** False when it is not as `before` any more: somebody else changed it. */
    async change(before: SkillRecord, after: SkillRecord): Promise<boolean> {
      const result = await db
        .updateTable('skills')
        .set({ status: after.status, version: after.version, updated_at: after.updatedAtMs })
        .where('tenant_id', '=', before.tenantId)
        .where('id', '=', before.id)
        .where('version', '=', before.version)
        .where('status', '=', before.status)
        .executeTakeFirst()
      return result.numUpdatedRows > 0n
    },
  }
}

export type SkillRepository = ReturnType<typeof makeSkillRepository>
