/**
 * Retention: what has ended leaves when its time is over, so that the database does not grow for ever. An hourly pass goes through all
 * kinds; each transaction is short and followed by a pause, so that a backlog of millions is worked off beside everything else.
 */
import type { Clock } from '../platform/clock.ts'
import type { Database } from '../platform/db/database.ts'
import type { Log } from '../platform/log.ts'
import type { Metrics } from '../platform/telemetry/metrics.ts'
import { makeRemovals } from './removals.ts'
import { makeRetentionRepository } from './repository.ts'
import { type Bounds, KINDS, type Kind } from './types.ts'

export interface RetentionOptions {
  readonly db: Database
  readonly clock: Clock
  readonly log: Log
  /** How long each kind is kept after its end; 0: for ever. Answers and sessions have an end of their own, and leave then. */
  readonly keepDays: Readonly<Record<Exclude<Kind, 'answers' | 'sessions'>, number>>
  /** Names of the cursors of those who read the event log: nothing leaves before they have read it. */
  readonly readers: readonly string[]
  readonly pageSize?: number
  /** Rows that a transaction removes, roughly. */
  readonly rowsAtATime?: number
  readonly pauseMs?: number
}

const DAY_MS = 86_400_000
const EVERY_MS = 3_600_000
/** A process that has just started has better things to do. */
const FIRST_AFTER_MS = 60_000
const PAGE = 500
const ROWS_AT_A_TIME = 2000
const PAUSE_MS = 50

export const makeRetention = (options: RetentionOptions) => {
  const { db, clock, log, readers, pageSize = PAGE, rowsAtATime = ROWS_AT_A_TIME, pauseMs = PAUSE_MS } = options
  const keepDays: Readonly<Record<Kind, number | undefined>> = {
    ...options.keepDays,
    answers: undefined,
    sessions: undefined,
  }
  const removals = makeRemovals({ db, pageSize, rowsAtATime })
  const removed = Object.fromEntries(KINDS.map((kind) => [kind, 0])) as Record<Kind, number>
  let lastPassMs = 0
  let isStopped = true
  let disarm = (): void => {}
  let passing: Promise<void> | undefined
  let endPause = (): void => {}

  const pause = (): Promise<void> =>
    new Promise((resolve) => {
      const cancel = clock.after(pauseMs, resolve)
      endPause = () => {
        cancel()
        resolve()
      }
    })

  /** What ended so long ago may go; undefined: nothing may. */
  const untilMs = (kind: Kind, nowMs: number): number | undefined => {
    const days = keepDays[kind]
    if (days === undefined) return nowMs
    return days === 0 ? undefined : nowMs - days * DAY_MS
  }

  const removeAll = async (kind: Kind, bounds: Bounds, isOver: () => boolean): Promise<void> => {
    for await (const count of removals[kind](bounds)) {
      removed[kind] += count
      if (isOver()) return
      await pause()
      if (isOver()) return
    }
  }

  const pass = async (isOver: () => boolean): Promise<void> => {
    const nowMs = clock.now()
    for (const kind of KINDS) {
      if (isOver()) return
      const limitMs = untilMs(kind, nowMs)
      if (limitMs === undefined) continue
      try {
        const readUpTo = await makeRetentionRepository(db.primary).readUpTo(readers)
        await removeAll(kind, { untilMs: limitMs, readUpTo }, isOver)
      } catch (error) {
        log.error({ err: error, kind }, 'retention stumbled; it tries again with the next pass')
      }
    }
    if (!isOver()) lastPassMs = clock.now()
  }

  const arm = (delayMs: number): void => {
    disarm = clock.after(delayMs, () => {
      passing = pass(() => isStopped).finally(() => {
        passing = undefined
        if (!isStopped) arm(EVERY_MS)
      })
    })
  }

  return {
    start(): void {
      if (!isStopped) return
      isStopped = false
      arm(FIRST_AFTER_MS)
    },
    /** The transaction under way is finished, nothing more is begun. */
    async stop(): Promise<void> {
      isStopped = true
      disarm()
      endPause()
      await passing
    },
    /** One pass over everything, as `start()` makes them by itself. */
    pass: (): Promise<void> => pass(() => false),
    /** Since the start of this process. */
    removed: removed as Readonly<Record<Kind, number>>,
    addMetrics({ gauge, gaugeBy }: Pick<Metrics, 'gauge' | 'gaugeBy'>): void {
      const help = 'Runs, tasks, deliveries, … that retention removed here since the start.'
      gaugeBy('aidos_retention_removed', help, 'kind', async () => removed)
      const about = 'When retention last came to the end of a pass here, in seconds since the epoch; 0: not yet.'
      gauge('aidos_retention_last_pass_seconds', about, () => lastPassMs / 1000)
    },
  }
}
