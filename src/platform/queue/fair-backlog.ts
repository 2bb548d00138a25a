/**
 * Reads the head of a backlog in the database: by priority, within it fairly between tenants according to their weights, within a tenant
 * by turns between its limit keys, each in the order in which it came. What has waited long beside more urgent work is taken along as if
 * it were as urgent.
 */
import type { Clock } from '../clock.ts'
import type { BacklogHead } from './admission.ts'
import type { Job, Priority } from './queue.ts'
import type { Inside } from './window.ts'

export interface WaitingJob extends Job {
  readonly sinceMs: number
}

export interface BacklogSource {
  /** Tenants with queued work of that priority that come after `afterTenantId`, in the order of their ids. */
  tenants(priority: Priority, afterTenantId: string, limit: number): Promise<string[]>
  /** The limit keys of a tenant's queued work, in order, those after `afterKey`; '' stands for work without one. */
  keys(priority: Priority, tenantId: string, afterKey: string | undefined, limit: number): Promise<string[]>
  /** A tenant's oldest of that priority and key. */
  head(priority: Priority, tenantId: string, key: string, limit: number): Promise<WaitingJob[]>
}

export interface FairBacklogOptions {
  readonly source: BacklogSource
  readonly clock: Clock
  weightOf(tenantId: string): number
  /** How many of a tenant's jobs could be under way at most; the rest is not read. */
  mostOf(tenantId: string): number
  isPaused(tenantId: string): boolean
  /** After so long work counts as urgent as the most urgent that waits. */
  readonly agedAfterMs?: number
}

const PRIORITIES: readonly Priority[] = [1, 2, 3, 4]
/** Tenants of one priority, and keys of one tenant, that one reading looks at; the next goes on after them. */
const TENANTS = 100
const KEYS = 20
/** The part of a reading that goes to aged work of each priority. */
const AGED_PART = 1 / 8

interface Turn {
  readonly names: readonly string[]
  /** All that there are. */
  readonly isAll: boolean
}

/** Reads names by turns: each call goes on where the one before ended, and begins anew at the end. */
const makeTurns = () => {
  const ends = new Map<string, string>()
  return async (
    what: string,
    count: number,
    read: (after: string | undefined, limit: number) => Promise<string[]>,
  ): Promise<Turn> => {
    const after = ends.get(what)
    // One more than wanted tells whether there are more.
    const rest = await read(after, count + 1)
    ends.delete(what)
    const isAll = rest.length <= count
    let names = rest.slice(0, count)
    if (!isAll) ends.set(what, names[count - 1] as string)
    if (!isAll || after === undefined || names.length === count) return { names, isAll: isAll && after === undefined }
    const room = count - names.length
    const first = await read(undefined, room + 1)
    const others = first.filter((name) => !names.includes(name)).slice(0, room)
    const isRound = first.length <= room || first.some((name) => names.includes(name))
    if (!isRound) ends.set(what, others.at(-1) as string)
    names = [...names, ...others]
    return { names, isAll: isRound }
  }
}

/** One of each in turn, or as many as its weight. */
const interleave = (
  lists: readonly { readonly weight: number; readonly jobs: readonly WaitingJob[] }[],
): WaitingJob[] =>
  lists
    .flatMap(({ weight, jobs }) => jobs.map((job, i) => ({ job, turn: Math.floor(i / weight) })))
    .toSorted((a, b) => a.turn - b.turn)
    .map(({ job }) => job)

const jobOf = ({ sinceMs: _, ...job }: WaitingJob, priority = job.priority): Job => ({ ...job, priority })

const laneOf = (tenantId: string, key = ''): string => `${tenantId}/${key}`

export const makeFairBacklog = (options: FairBacklogOptions) => {
  const { source, clock, weightOf, mostOf, isPaused, agedAfterMs = 10_000 } = options
  const inTurn = makeTurns()

  return async (limit: number, inside: ReadonlyMap<string, Inside>): Promise<BacklogHead> => {
    const counts = new Map<string, number>()
    const count = (name: string): void => void counts.set(name, (counts.get(name) ?? 0) + 1)
    for (const { tenantId, key } of inside.values()) {
      count(tenantId)
      count(laneOf(tenantId, key))
    }
    const insideOf = (name: string): number => counts.get(name) ?? 0
    const taken = new Set<string>()
    const aged: Job[] = []
    const jobs: Job[] = []
    let isAll = true
    let isTurnDone = true
    let mostUrgent: Priority | undefined

    /** The head of what a tenant has of a priority, at most `part` jobs. */
    const readTenant = async (lap: string, priority: Priority, tenantId: string, part: number) => {
      // One beyond the limit: whoever is refused for it hears when there is room again.
      const want = Math.min(part, Math.max(0, mostOf(tenantId) - insideOf(tenantId)) + 1)
      const keys = await inTurn(`${lap}/${tenantId}`, KEYS, (after, most) =>
        source.keys(priority, tenantId, after, most),
      )
      const each = Math.ceil(want / Math.max(keys.names.length, 1))
      let hasMore = false
      const heads = await Promise.all(
        keys.names.map(async (key) => {
          const most = each + insideOf(laneOf(tenantId, key))
          const found = await source.head(priority, tenantId, key, most)
          if (found.length === most) hasMore = true
          return { weight: 1, jobs: found.filter(({ id }) => !inside.has(id) && !taken.has(id)) }
        }),
      )
      // More than each may be found: of what is inside some is at work already, and waits no more.
      const found = interleave(heads)
      // What is beyond the limit comes when it has room.
      const hasMoreToGo = want === part && (hasMore || found.length > want)
      return { jobs: found.slice(0, want), hasMore: hasMoreToGo, isRound: keys.isAll }
    }

    const readFairly = async (lap: string, priority: Priority, room: number) => {
      const turn = await inTurn(lap, Math.min(TENANTS, room), (after, most) =>
        source.tenants(priority, after ?? '', most),
      )
      const tenants = turn.names.filter((tenantId) => !isPaused(tenantId))
      const weights = tenants.reduce((sum, tenantId) => sum + weightOf(tenantId), 0)
      const heads = await Promise.all(
        tenants.map(async (tenantId) => {
          const weight = weightOf(tenantId)
          return { weight, ...(await readTenant(lap, priority, tenantId, Math.ceil((room * weight) / weights))) }
        }),
      )
      return {
        tenants,
        found: interleave(heads),
        hasMore: heads.some((head) => head.hasMore),
        isRound: turn.isAll && heads.every((head) => head.isRound),
      }
    }

    const takeAged = async (priority: Priority, urgent: Priority): Promise<void> => {
      const most = Math.max(1, Math.floor(limit * AGED_PART))
      const { found } = await readFairly(`aged/${priority}`, priority, most)
      const old = found.filter(({ sinceMs }) => sinceMs < clock.now() - agedAfterMs).slice(0, most)
      for (const { id } of old) taken.add(id)
      aged.push(...old.map((job) => jobOf(job, urgent)))
    }

    for (const priority of PRIORITIES) {
      if (mostUrgent !== undefined) await takeAged(priority, mostUrgent)
      if (jobs.length >= limit) {
        isAll = false
        continue
      }
      const { tenants, found, hasMore, isRound } = await readFairly(`${priority}`, priority, limit - jobs.length)
      if (tenants.length > 0) mostUrgent ??= priority
      if (hasMore) isAll = false
      if (!isRound) isTurnDone = false
      for (const { id } of found) taken.add(id)
      jobs.push(...found.map((job) => jobOf(job)))
    }
    const all = [...aged, ...jobs]
    return { jobs: all.slice(0, limit), isAll: isAll && isTurnDone && all.length <= limit, isTurnDone }
  }
}
