/** Standing tasks as the database tells of them afterwards; its own times are whole milliseconds. */
import type { Stage } from '../stage.ts'

export interface Done {
  readonly count: number
  readonly createdMs: number
  readonly finishedMs: number
}

export interface Timed {
  readonly id: string
  readonly createdMs: number
  /** When its code began, by that code itself. */
  readonly begunMs: number
}

/** Of all since that moment; rejects when one of them is not completed. */
export const doneSince = async ({ watcher }: Stage, sinceMs: number): Promise<Done> => {
  const { rows } = await watcher.query<{ [K in keyof Done]: string } & { whole: boolean }>(
    `SELECT count(*) AS count, min(created_at) AS "createdMs", max(finished_at) AS "finishedMs",
     bool_and(status = 'completed') AS whole FROM tasks WHERE run_id IS NULL AND created_at >= $1`,
    [sinceMs],
  )
  const row = rows[0]
  if (!row?.whole) throw new Error('a task was not completed')
  const { count, createdMs, finishedMs } = row
  return {
    count: Number(count),
    createdMs: Number(createdMs),
    finishedMs: Number(finishedMs),
  }
}

/** Of the tasks of the kind `clock`. */
export const timesSince = async ({ watcher }: Stage, sinceMs: number): Promise<Timed[]> => {
  const { rows } = await watcher.query<{ id: string; created_at: string; output: string }>(
    "SELECT id, created_at, output FROM tasks WHERE kind = 'clock' AND created_at >= $1 AND status = 'completed'",
    [sinceMs],
  )
  return rows.map((row) => ({ id: row.id, createdMs: Number(row.created_at), begunMs: Number(row.output) }))
}

/** A moment such that all that is made from now on is made after it, and nothing that was made before. */
export const fromNow = async (): Promise<number> => {
  await new Promise((resolve) => setTimeout(resolve, 5))
  return Date.now()
}
