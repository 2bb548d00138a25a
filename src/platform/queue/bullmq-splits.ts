/**
 * How a partition spreads over a Redis Cluster: over several queues, each under a hash tag of its own. The tags are chosen so that
 * their slots lie evenly: the i-th of n in the i-th n-th of all slots, so that with as many queues as masters each master has one.
 */
import { crc32 } from 'node:zlib'
import { spreadTags } from '../redis/hash-tags.ts'
import type { Partition } from './queue.ts'

/** The names of a partition's queues: `{tasks}` alone, or `{tasks.K}` with the tags that spread. The same in every process. */
export const queueNames = (partition: Partition, splits: number): string[] =>
  splits === 1 ? [`{${partition}}`] : spreadTags(partition, splits)

/** Which of the queues a job belongs to. */
export const splitOf = (id: string, splits: number): number => (splits === 1 ? 0 : crc32(id) % splits)

/** Shares out places as evenly as it goes; nobody gets less than one. */
export const shareOut = (places: number, takers: number): number[] =>
  Array.from({ length: takers }, (_, i) => Math.max(1, Math.floor(places / takers) + (i < places % takers ? 1 : 0)))
