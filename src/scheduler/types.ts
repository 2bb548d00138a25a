/** The words of schedules. */
import type { ErrorRecord } from '../engine/index.ts'
import type { Json } from '../platform/json.ts'
import type { Priority } from '../platform/queue/queue.ts'

/** When a schedule fires. Cron follows the wall clock of its time zone; an interval counts from its anchor, whatever the clock shows. */
export type Timing =
  | { readonly kind: 'cron'; readonly expression: string; readonly timeZone: string }
  | { readonly kind: 'every'; readonly everyMs: number; readonly anchorMs: number }
  | { readonly kind: 'at'; readonly atMs: number }

/** What a fire starts: a run of a workflow or an agent, or a task of a kind. */
export interface Target {
  readonly kind: 'workflow' | 'agent' | 'task'
  readonly name: string
  /** Of the workflow or agent; null: the latest at the time of the fire. */
  readonly version: number | null
}

export const OVERLAPS = ['skip', 'queue-one', 'queue-all', 'allow', 'cancel-previous'] as const
/** What becomes of a fire while what an earlier one started still goes on. */
export type Overlap = (typeof OVERLAPS)[number]

export const MISSED = ['skip', 'fire-once', 'fire-all'] as const
/** What becomes of planned times that passed while nothing could fire: downtime, a pause, a clock that jumped. */
export type Missed = (typeof MISSED)[number]

export interface ScheduleOptions {
  /** No fire before it, and none at or after the end. */
  readonly startAtMs: number | null
  readonly endAtMs: number | null
  readonly maxFires: number | null
  /** A fire is due up to so long after its planned time; how long is fixed per fire. */
  readonly jitterMs: number
  readonly overlap: Overlap
  readonly missed: Missed
  /** Missed times older than this are never made up for. */
  readonly catchUpMs: number
  readonly failing: { readonly after: number; readonly pause: boolean }
  readonly priority: Priority
  /** Limit of what a fire starts. */
  readonly timeoutMs: number | null
}

export interface ScheduleDefinition {
  readonly timing: Timing
  readonly target: Target
  /** Texts in it of the form `{% … %}` are JSONata, evaluated per fire. */
  readonly input: Json
  readonly options: ScheduleOptions
}

export const SCHEDULE_STATUSES = ['active', 'paused', 'ended'] as const
/** `ended`: there is no further time to fire at. */
export type ScheduleStatus = (typeof SCHEDULE_STATUSES)[number]

export interface Schedule extends ScheduleDefinition {
  readonly id: string
  readonly tenantId: string
  readonly projectId: string | null
  readonly name: string
  readonly status: ScheduleStatus
  /** The next planned time that nobody has claimed; null when there is none. Kept during a pause. */
  readonly nextPlannedMs: number | null
  /** Its planned time plus its jitter; null unless the schedule is active. */
  readonly nextAtMs: number | null
  /** Planned fires so far; skipped ones do not count. */
  readonly fires: number
  /** Fires in a row that failed. */
  readonly failures: number
  /** Grows with every change of the schedule and of what its fires block. */
  readonly revision: number
  readonly createdAtMs: number
  readonly updatedAtMs: number
}

/** `due`: claimed, and being started. `queued`: waits for what an earlier fire started. The rest follows from what was started. */
export const FIRE_STATUSES = ['due', 'queued', 'started', 'completed', 'failed', 'cancelled', 'skipped'] as const
export type FireStatus = (typeof FIRE_STATUSES)[number]

/** `planned` by the timing; `trigger` by hand; `backfill` of the past. */
export type FireCause = 'planned' | 'trigger' | 'backfill'

/** The run or task that a fire started. */
export interface TargetRef {
  readonly kind: 'run' | 'task'
  readonly id: string
}

/** What a fire starts, fixed when it is claimed: a second try asks for exactly the same. */
export interface FireRequest {
  readonly target: Target
  readonly input: Json
  readonly priority: Priority
  readonly timeoutMs: number | null
}

export interface Fire {
  readonly scheduleId: string
  readonly plannedAtMs: number
  readonly tenantId: string
  readonly cause: FireCause
  readonly status: FireStatus
  /** Why it was skipped or cancelled, that its run is being called off, or that it waits for that: `overlap`, `superseded`, `supersedes`, … */
  readonly reason: string | null
  /** Planned times that this row stands for, when missed ones are skipped together; null: too many to count. */
  readonly count: number | null
  /** The last of those times. */
  readonly untilMs: number | null
  /** From when on it could start: its planned time with its jitter, the end of a pause, or of its turn in the queue. */
  readonly dueAtMs: number
  /** Until it is started. */
  readonly request: FireRequest | null
  /** When somebody looks at it again; null once it is over. */
  readonly wakeAtMs: number | null
  /** Failed tries to start it. */
  readonly tries: number
  readonly startedAtMs: number | null
  readonly finishedAtMs: number | null
  readonly ref: TargetRef | null
  readonly error: ErrorRecord | null
}
