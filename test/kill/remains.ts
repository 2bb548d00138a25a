/** What a killed process left behind: its database, read from a copy, so that the next process recovers the original by itself. */
import { copyFile, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'

export interface JournalLine {
  readonly runId: string
  readonly position: number
  readonly key: string
  readonly kind: string
  /** The result, or for a task its id. */
  readonly value: string | null
}

export interface TaskLine {
  readonly id: string
  readonly runId: string | null
  readonly stepKey: string | null
  readonly status: string
  readonly attempt: number
  readonly output: string | null
}

export interface EventLine {
  readonly id: number
  readonly taskId: string | null
  readonly type: string
}

export interface Remains {
  readonly journal: readonly JournalLine[]
  readonly tasks: readonly TaskLine[]
  /** Of tasks: their part of the timeline. */
  readonly events: readonly EventLine[]
}

const NOTHING: Remains = { journal: [], tasks: [], events: [] }

const isMissing = (error: unknown): boolean => (error as { code?: unknown }).code === 'ENOENT'

const read = (file: string): Remains => {
  const db = new DatabaseSync(file)
  const all = <T>(sql: string): T[] => db.prepare(sql).all() as T[]
  try {
    if (all("SELECT name FROM sqlite_master WHERE name = 'journal'").length === 0) return NOTHING
    return {
      journal: all('SELECT run_id "runId", position, key, kind, COALESCE(value, ref) value FROM journal ORDER BY 1, 2'),
      tasks: all('SELECT id, run_id "runId", step_key "stepKey", status, attempt, output FROM tasks'),
      events: all('SELECT id, task_id "taskId", type FROM events WHERE task_id IS NOT NULL ORDER BY id'),
    }
  } finally {
    db.close()
  }
}

export const readRemains = async (dataDir: string): Promise<Remains> => {
  const folder = await mkdtemp(join(tmpdir(), 'aidos-remains-'))
  try {
    for (const name of ['aidos.db', 'aidos.db-wal']) {
      await copyFile(join(dataDir, name), join(folder, name)).catch((error: unknown) => {
        if (!isMissing(error)) throw error
      })
    }
    return read(join(folder, 'aidos.db'))
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
