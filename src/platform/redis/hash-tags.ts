/** Where keys lie in a Redis Cluster, and hash tags that spread them over its nodes. */

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

/**
 * So many hash tags with that name, spread evenly: `{NAME.K}` with K the smallest number whose slot lies in the i-th part of all slots.
 * The same in every process, for they follow from the name and the count.
 */
export const spreadTags = (name: string, count: number): string[] =>
  Array.from({ length: count }, (_, i) => {
    for (let k = 0; ; k++) {
      const tag = `${name}.${k}`
      if (Math.floor((slotOf(tag) * count) / SLOTS) === i) return `{${tag}}`
    }
  })
