/** What a live run needs of the engine around it. */
import type { Clock } from '../platform/clock.ts'
import type { Unit } from '../platform/db/group-commit.ts'
import type { RunCommand } from './command.ts'
import type { TaskPort } from './task-port.ts'
import type { Run } from './types.ts'

export interface LiveRunEnv {
  readonly clock: Clock
  readonly tasks: TaskPort
  readonly payloadLimitBytes: number
  commit(unit: Unit): Promise<void>
  /** The row of a child run, checked; throws when its target does not exist or the input does not fit. */
  planChild(parent: Run, command: RunCommand): Promise<Run>
  /** After the commit: a child was born. */
  childBorn(child: Run): void
  /** The commit that would have given birth to it failed. */
  childAbandoned(child: Run): void
  /** It could not hear of news just now: it is to be told again. */
  hearAgain(runId: string): void
  /** After the commit: a child is to look at its row (it is being cancelled). */
  nudge(runId: string): void
  /** The run ended or stopped; nothing of it is in memory any more. */
  ended(run: Run): void
  /** The run waits for nothing but time, signals or children (true), or works again. */
  idle(runId: string, isIdle: boolean): void
  /** The run lost its owner or its database: it has to be rebuilt. */
  lost(run: Run, error: unknown): void
}
