/** The claim of many queued tasks at once, for PostgreSQL. */
import { type RawBuilder, sql } from 'kysely'
import type { Handle } from '../platform/db/database.ts'
import type { TaskRow } from './rows.ts'

export type Claimed = TaskRow & { event_id: number }

/** Takes those that are queued and tells of it, as one statement: no transaction around it, one round trip. */
export const claimAll = async (
  handle: Handle,
  ids: readonly string[],
  workerId: string,
  nowMs: number,
): Promise<Claimed[]> => (await claim(ids, workerId, nowMs).execute(handle)).rows

export const claim = (ids: readonly string[], workerId: string, nowMs: number): RawBuilder<Claimed> => sql<Claimed>`
  WITH claimed AS (
    UPDATE tasks SET status = 'running', worker_id = ${workerId}, fence = fence + 1, attempt = attempt + 1, started_at = ${nowMs}::bigint
    WHERE id = ANY(${ids}::text[]) AND status = 'queued' RETURNING *),
  told AS (
    INSERT INTO events (tenant_id, project_id, run_id, task_id, type, data, at)
    SELECT tenant_id, project_id, run_id, id, 'task.started',
      json_strip_nulls(json_build_object('kind', kind, 'step', step_key, 'attempt', attempt))::text, ${nowMs}::bigint
    FROM claimed RETURNING id, task_id)
  SELECT claimed.*, told.id AS event_id FROM claimed JOIN told ON told.task_id = claimed.id`
