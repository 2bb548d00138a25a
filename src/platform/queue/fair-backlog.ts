/**
 * Reads the head of a backlog in the database: by priority, within it by turns between tenants according to their weights, each
 * tenant's oldest first. What has waited long beside more urgent work is taken along as if it were as urgent.
 */
import type { Clock } from '../clock.ts'
import type { BacklogHead } from './admission.ts'
import type { Job, Priority } from './queue.ts'
import type { Inside } from './window.ts'

export interface BacklogSource {
  /** Tenants with queued work of that priority that come after `afterTenantId`, in the order of their ids. */
  tenants(priority: Priority, afterTenantId: string, limit: number): Promise<string[]>
  /** A tenant's oldest of that priority. */
  head(priority: Priority, tenantId: string, limit: number): Promise<Job[]>
  /** The oldest of that priority that were made before that moment. */
  oldest(priority: Priority, beforeMs: number, limit: number): Promise<Job[]>
}

export interface FairBacklogOptions {
  readonly source: BacklogSource
  readonly clock: Clock
  weightOf(tenantId: string): number
  /** How many of a tenant's jobs could go on at most; the rest is not read. */
  mostOf(tenantId: string): number
  isPaused(tenantId: string): boolean
  /** After so long work counts as urgent as the most urgent that waits. */
  readonly agedAfterMs?: number
}

const PRIORITIES: readonly Priority[] = [1, 2, 3, 4]
/** Tenants of one priority that one reading looks at; the next goes on after them. */
const TENANTS = 100
/** The part of a reading that goes to aged work. */
const AGED_PART = 1 / 8

/** One of each in turn. */
const interleave = (lists: readonly (readonly Job[])[]): Job[] => {
  const longest = Math.max(0, ...lists.map((list) => list.length))
  return Array.from({ length: longest }, (_, i) => lists.flatMap((list) => list[i] ?? [])).flat()
}

export const makeFairBacklog = (options: FairBacklogOptions) => {
  const { source, clock, weightOf, mostOf, isPaused, agedAfterMs = 10_000 } = options
  /** Where the last reading of a priority ended, when not all tenants had their turn. */
  const turns = new Map<Priority, string>()

  const tenantsInTurn = async (priority: Priority): Promise<{ tenants: string[]; isAll: boolean }> => {
    const after = turns.get(priority) ?? ''
    const rest = await source.tenants(priority, after, TENANTS)
    const isFull = rest.length === TENANTS
    const again = isFull || after === '' ? [] : await source.tenants(priority, '', TENANTS - rest.length)
    const tenants = [...new Set([...rest, ...again])].filter((tenantId) => !isPaused(tenantId))
    if (isFull) turns.set(priority, rest.at(-1) as string)
    else turns.delete(priority)
    return { tenants, isAll: !isFull }
  }

  return async (limit: number, inside: ReadonlyMap<string, Inside>): Promise<BacklogHead> => {
    const insideOf = new Map<string, number>()
    for (const { tenantId } of inside.values()) insideOf.set(tenantId, (insideOf.get(tenantId) ?? 0) + 1)
    const taken = new Set<string>()
    const jobs: Job[] = []
    let isAll = true
    let mostUrgent: Priority | undefined
    const take = (found: readonly Job[]): void => {
      for (const job of found) taken.add(job.id)
      jobs.push(...found)
    }

    const takeAged = async (priority: Priority, urgent: Priority): Promise<void> => {
      const most = Math.max(1, Math.floor(limit * AGED_PART))
      const old = await source.oldest(priority, clock.now() - agedAfterMs, most)
      const fresh = old.filter((job) => !inside.has(job.id) && !isPaused(job.tenantId))
      take(fresh.map((job) => ({ ...job, priority: urgent })))
    }

    const takeFairly = async (priority: Priority, tenants: readonly string[], room: number): Promise<void> => {
      const weights = tenants.reduce((sum, tenantId) => sum + weightOf(tenantId), 0)
      const heads = await Promise.all(
        tenants.map(async (tenantId) => {
          const part = Math.ceil((room * weightOf(tenantId)) / weights)
          // At least one: whoever is at a limit is to be told of it, so that it hears when there is room again.
          const want = Math.max(1, Math.min(part, mostOf(tenantId) - (insideOf.get(tenantId) ?? 0)))
          const count = want + (insideOf.get(tenantId) ?? 0)
          const found = await source.head(priority, tenantId, count)
          if (found.length === count && want === part) isAll = false
          return found.filter((job) => !inside.has(job.id) && !taken.has(job.id)).slice(0, want)
        }),
      )
      take(interleave(heads))
    }

    for (const priority of PRIORITIES) {
      if (mostUrgent !== undefined) await takeAged(priority, mostUrgent)
      if (jobs.length >= limit) isAll = false
      if (jobs.length >= limit && mostUrgent !== undefined) continue
      const turn = await tenantsInTurn(priority)
      if (!turn.isAll) isAll = false
      if (turn.tenants.length === 0) continue
      mostUrgent ??= priority
      await takeFairly(priority, turn.tenants, limit - jobs.length)
    }
    return { jobs, isAll }
  }
}
