/** Reads and writes of agents and their versions. */
import { isFinal, RUN_STATUSES } from '../engine/index.ts'
import { countRows } from '../platform/db/count.ts'
import type { Handle } from '../platform/db/database.ts'
import { olderThan } from '../platform/db/keyset.ts'
import type { CreatedCursor } from '../platform/http/page.ts'
import { type Owner, visibleTo } from '../platform/scope.ts'
import type { AgentConfig } from './config.ts'
import type { AgentStatus } from './life-cycle.ts'
import type { AgentTables } from './schema.ts'
import type { Agent, AgentSummary } from './types.ts'

export interface AgentFilter {
  readonly status?: AgentStatus | undefined
  readonly type?: string | undefined
  readonly after?: CreatedCursor | undefined
  readonly limit: number
}

const OPEN_RUNS = RUN_STATUSES.filter((status) => !isFinal(status))

const toSummary = (row: AgentTables['agents']): AgentSummary => ({
  id: row.id,
  tenantId: row.tenant_id,
  projectId: row.project_id,
  name: row.name,
  type: row.type,
  status: row.status as AgentStatus,
  latestVersion: row.version,
  createdAtMs: row.created_at,
  updatedAtMs: row.updated_at,
})

export const makeAgentRepository = (handle: Handle) => {
  const db = handle.withTables<AgentTables>()

  const insertVersion = async ({ id, tenantId, version, config }: Agent, nowMs: number): Promise<void> => {
    const row = { agent_id: id, version, tenant_id: tenantId, config: JSON.stringify(config), created_at: nowMs }
    await db.insertInto('agent_versions').values(row).execute()
  }

  return {
    /** The agent with its first version. */
    async add(agent: Agent): Promise<void> {
      await db
        .insertInto('agents')
        .values({
          id: agent.id,
          tenant_id: agent.tenantId,
          project_id: agent.projectId,
          name: agent.name,
          type: agent.type,
          status: agent.status,
          version: agent.version,
          created_at: agent.createdAtMs,
          updated_at: agent.updatedAtMs,
        })
        .execute()
      await insertVersion(agent, agent.createdAtMs)
    },

    async summary(owner: Owner, name: string): Promise<AgentSummary | undefined> {
      const query = db.selectFrom('agents').selectAll().where(visibleTo(owner)).where('name', '=', name)
      const row = await query.executeTakeFirst()
      return row && toSummary(row)
    },

    async config(tenantId: string, agentId: string, version: number): Promise<AgentConfig | undefined> {
      const row = await db
        .selectFrom('agent_versions')
        .select('config')
        .where('tenant_id', '=', tenantId)
        .where('agent_id', '=', agentId)
        .where('version', '=', version)
        .executeTakeFirst()
      return row && (JSON.parse(row.config) as AgentConfig)
    },

    /** Newest first. */
    async list(owner: Owner, { status, type, after, limit }: AgentFilter): Promise<AgentSummary[]> {
      let query = db.selectFrom('agents').selectAll().where(visibleTo(owner))
      if (status) query = query.where('status', '=', status)
      if (type !== undefined) query = query.where('type', '=', type)
      if (after) query = query.where(olderThan(after))
      const rows = await query.orderBy('created_at', 'desc').orderBy('id', 'desc').limit(limit).execute()
      return rows.map(toSummary)
    },

    /** Makes `agent.version` the latest, if the one before it still is; false: somebody was quicker. */
    async addVersion(agent: Agent): Promise<boolean> {
      const { numUpdatedRows } = await db
        .updateTable('agents')
        .set({ version: agent.version, updated_at: agent.updatedAtMs })
        .where('tenant_id', '=', agent.tenantId)
        .where('id', '=', agent.id)
        .where('version', '=', agent.version - 1)
        .executeTakeFirst()
      if (numUpdatedRows === 0n) return false
      await insertVersion(agent, agent.updatedAtMs)
      return true
    },

    /** False: it is not in the state `from` any more. */
    async move(agent: AgentSummary, to: AgentStatus, nowMs: number): Promise<boolean> {
      const { numUpdatedRows } = await db
        .updateTable('agents')
        .set({ status: to, updated_at: nowMs })
        .where('tenant_id', '=', agent.tenantId)
        .where('id', '=', agent.id)
        .where('status', '=', agent.status)
        .executeTakeFirst()
      return numUpdatedRows > 0n
    },

    /** Runs of any of its versions that have not ended. */
    countOpenRuns(tenantId: string, name: string): Promise<number> {
      const open = db.selectFrom('runs').where('status', 'in', OPEN_RUNS).where('kind', '=', 'agent')
      return countRows(open.where('tenant_id', '=', tenantId).where('target', '=', name))
    },
  }
}
