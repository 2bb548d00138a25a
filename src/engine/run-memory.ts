/** What a live run knows of itself: shared by the parts that tell its function, plan its turns and commit them. */
import type { Clock } from '../platform/clock.ts'
import type { NewEvent } from '../platform/events/event.ts'
import type { Json } from '../platform/json.ts'
import { makePendingTable, type PendingTable } from './pending.ts'
import type { Run, RunStatus } from './types.ts'

/** How the run's function ended. */
export type Outcome = { readonly ok: true; readonly value: unknown } | { readonly ok: false; readonly error: unknown }

export interface RunMemory {
  run: Run
  readonly pending: PendingTable
  /** Of the turn under way; nothing is recorded during a replay. */
  events: NewEvent[]
  replaying: boolean
  /** Of the last journal entry. */
  position: number
  /** The run's own time: that of the last entry told. */
  nowMs: number
  outcome: Outcome | undefined
  cancelled: boolean
  /** Nothing more is told or written by this memory. */
  over: boolean
  /** What the row says, so that it is written only when it changes; `undefined`: others may have written it. */
  writtenStatus: RunStatus
  writtenWaits: string | null
  writtenWakeMs: number | null | undefined
  /** Pieces of news that are known of; the row has more when a push was lost. */
  seenNews: number
  /** A line of the timeline, committed with the turn. */
  record(type: string, data?: Record<string, Json | undefined>): void
}

export const makeRunMemory = (run: Run, replaying: boolean, clock: Clock): RunMemory => {
  const memory: RunMemory = {
    run,
    pending: makePendingTable(),
    events: [],
    replaying,
    position: 0,
    nowMs: run.startedAtMs ?? clock.now(),
    outcome: undefined,
    cancelled: false,
    over: false,
    writtenStatus: run.status,
    writtenWaits: run.waitingFor,
    writtenWakeMs: run.wakeAtMs,
    seenNews: run.news,
    record(type, data = {}) {
      if (memory.replaying) return
      const { id: runId, tenantId, projectId } = memory.run
      memory.events.push({ tenantId, projectId, runId, taskId: null, type, data, atMs: clock.now() })
    },
  }
  return memory
}
