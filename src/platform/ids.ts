/** UUIDv7 (RFC 9562): ids that sort by the time they were made, so that new rows land at the right edge of an index. */
import { randomFillSync } from 'node:crypto'

const HEX = Array.from({ length: 256 }, (_, i) => i.toString(16).padStart(2, '0'))

export type MakeId = () => string

/** Makes a generator whose ids rise strictly within the process, even within one millisecond. */
export const makeIdGenerator = (now: () => number = Date.now): MakeId => {
  const pool = new Uint8Array(4096)
  let used = pool.length
  let lastMs = 0
  let counter = 0
  return () => {
    if (used + 8 > pool.length) {
      randomFillSync(pool)
      used = 0
    }
    const ms = Math.max(now(), lastMs)
    if (ms === lastMs) counter++
    else counter = ((pool[used]! << 8) | pool[used + 1]!) & 0x7ff
    lastMs = ms
    if (counter > 0xfff) {
      lastMs++
      counter = 0
    }
    const high = Math.floor(lastMs / 0x1_0000_0000)
    const low = lastMs >>> 0
    const r = used
    used += 8
    return `${HEX[(high >>> 8) & 255]}${HEX[high & 255]}${HEX[low >>> 24]}${HEX[(low >>> 16) & 255]}-${HEX[(low >>> 8) & 255]}${HEX[low & 255]}-${HEX[0x70 | (counter >>> 8)]}${HEX[counter & 255]}-${HEX[0x80 | (pool[r]! & 0x3f)]}${HEX[pool[r + 1]!]}-${HEX[pool[r + 2]!]}${HEX[pool[r + 3]!]}${HEX[pool[r + 4]!]}${HEX[pool[r + 5]!]}${HEX[pool[r + 6]!]}${HEX[pool[r + 7]!]}`
  }
}
