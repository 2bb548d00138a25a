/** Jobs that do nothing, through bare BullMQ on the cluster's Redis: the floor of a flood. */
import type { Span } from '../programs/floor.ts'
import type { Stage } from '../stage.ts'

export interface BareJobs {
  /** Adds a second, by one process. */
  readonly adds: number
  /** Jobs a second, by so many processes. */
  readonly done: number
}

/** All are added first, and done then. */
export const drainJobs = async (
  stage: Stage,
  { count, workers }: { readonly count: number; readonly workers: number },
): Promise<BareJobs> => {
  const floors = await Promise.all(Array.from({ length: workers }, (_, i) => stage.floor(i)))
  const queue = `floor-${Date.now()}`
  const adds = (await floors[0]?.ask<number>('fill', { queue, count })) ?? Number.NaN
  const spans = await Promise.all(floors.map((floor) => floor.ask<Span>('drain', { queue })))
  const worked = spans.filter((span) => span.count > 0)
  const done = worked.reduce((sum, span) => sum + span.count, 0)
  if (done !== count) throw new Error(`bare BullMQ did ${done} of ${count} jobs`)
  const fromMs = Math.min(...worked.map((span) => span.fromMs))
  const toMs = Math.max(...worked.map((span) => span.toMs))
  return { adds, done: (count * 1000) / (toMs - fromMs) }
}
