/** Reads and writes of workflows and their versions. */
import type { Handle } from '../platform/db/database.ts'
import type { JsonObject } from '../platform/json.ts'
import { type Owner, visibleTo } from '../platform/scope.ts'
import type { WorkflowTables } from './schema.ts'
import type { Workflow, WorkflowKind } from './types.ts'

const toWorkflow = (row: WorkflowTables['workflows']): Workflow => ({
  id: row.id,
  tenantId: row.tenant_id,
  projectId: row.project_id,
  name: row.name,
  kind: row.kind as WorkflowKind,
  status: row.status as Workflow['status'],
  version: row.version,
  createdAtMs: row.created_at,
  updatedAtMs: row.updated_at,
})

export interface WorkflowFilter {
  readonly status?: Workflow['status'] | undefined
  readonly after?: { readonly id: string } | undefined
  readonly limit: number
}

export const makeWorkflowRepository = (handle: Handle) => {
  const db = handle.withTables<WorkflowTables>()
  return {
    async find(owner: Owner, name: string): Promise<Workflow | undefined> {
      const query = db.selectFrom('workflows').selectAll().where(visibleTo(owner)).where('name', '=', name)
      const row = await query.executeTakeFirst()
      return row && toWorkflow(row)
    },
    async list(owner: Owner, { status, after, limit }: WorkflowFilter): Promise<Workflow[]> {
      let query = db.selectFrom('workflows').selectAll().where(visibleTo(owner))
      if (status) query = query.where('status', '=', status)
      if (after) query = query.where('id', '<', after.id)
      return (await query.orderBy('id', 'desc').limit(limit).execute()).map(toWorkflow)
    },
    async definition(tenantId: string, workflowId: string, version: number): Promise<JsonObject | undefined> {
      const row = await db
        .selectFrom('workflow_versions')
        .select('definition')
        .where('tenant_id', '=', tenantId)
        .where('workflow_id', '=', workflowId)
        .where('version', '=', version)
        .executeTakeFirst()
      return row && (JSON.parse(row.definition) as JsonObject)
    },
    async add(workflow: Workflow): Promise<void> {
      await db
        .insertInto('workflows')
        .values({
          id: workflow.id,
          tenant_id: workflow.tenantId,
          project_id: workflow.projectId,
          name: workflow.name,
          kind: workflow.kind,
          status: workflow.status,
          version: workflow.version,
          created_at: workflow.createdAtMs,
          updated_at: workflow.updatedAtMs,
        })
        .execute()
    },
    /** Makes it `after`, if it still is as before; false: somebody was quicker. */
    async update(before: Workflow, after: Workflow): Promise<boolean> {
      const { status, version, updatedAtMs } = after
      const result = await db
        .updateTable('workflows')
        .set({ status, version, updated_at: updatedAtMs })
        .where('tenant_id', '=', before.tenantId)
        .where('id', '=', before.id)
        .where('version', '=', before.version)
        .where('status', '=', before.status)
        .executeTakeFirst()
      return result.numUpdatedRows > 0n
    },
    async addVersion(workflow: Workflow, definition: JsonObject): Promise<void> {
      await db
        .insertInto('workflow_versions')
        .values({
          workflow_id: workflow.id,
          version: workflow.version,
          tenant_id: workflow.tenantId,
          definition: JSON.stringify(definition),
          created_at: workflow.updatedAtMs,
        })
        .execute()
    },
  }
}
