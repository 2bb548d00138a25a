/**
 * How a partition spreads over a Redis Cluster: over several queues, each under a hash tag of its own. The tags are chosen so that
 * their slots lie evenly: the i-th of n in the i-th n-th of all slots, so that with as many queues as masters each master has one.
 */
import { crc32 } from 'node:zlib'
import type { Partition } from './queue.ts'

const SLOTS = 16_384

/** The slot of a hash tag: CRC16 (XMODEM) modulo 16384, as in the Redis Cluster specification. */
export const slotOf = (tag: string): number => {
  let crc = 0
  for (const byte of Buffer.from(tag)) {
    crc ^= byte << 8
    for (let bit = 0; bit < 8; bit++) crc = crc & 0x8000 ? ((crc << 1) ^ 0x1021) & 0xffff : (crc << 1) & 0xffff
  }
  return crc % SLOTS
}

/** So many hash tags with that name, spread evenly over the slots. */
export const spreadTags = (name: string, count: number): string[] =>
  Array.from({ length: count }, (_, i) => {
    for (let k = 0; ; k++) {
      const tag = `${name}.${k}`
      if (Math.floor((slotOf(tag) * count) / SLOTS) === i) return `{${tag}}`
    }
  })

/**
 * The names of a partition's queues: `{tasks}` alone, or `{tasks.K}` with K the smallest number whose slot lies in the right part.
 * The same numbers in every process, for they follow from the name and the count.
 */
export const queueNames = (partition: Partition, splits: number): string[] =>
  splits === 1 ? [`{${partition}}`] : spreadTags(partition, splits)

/** Which of the queues a job belongs to. */
export const splitOf = (id: string, splits: number): number => (splits === 1 ? 0 : crc32(id) % splits)

/** Shares out places as evenly as it goes; nobody gets less than one. */
export const shareOut = (places: number, takers: number): number[] =>
  Array.from({ length: takers }, (_, i) => Math.max(1, Math.floor(places / takers) + (i < places % takers ? 1 : 0)))
