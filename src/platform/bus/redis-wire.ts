/** The bus's wire over Redis publish/subscribe. On a Cluster the nodes pass messages on among themselves. */
import { Cluster } from 'ioredis'
import type { RedisConnection } from '../redis/connection.ts'
import { spreadTags } from '../redis/hash-tags.ts'
import type { Wire } from './wire-bus.ts'

/** On a Cluster signs of life lie on several nodes: one that is frozen must not silence a process that lives. */
const LIVES = 3

export const makeRedisWire = (redis: RedisConnection): Wire => {
  const lives = spreadTags('life', redis.mode === 'cluster' ? LIVES : 1)
  const subscriber = redis.duplicate('subscriber', 'aidos-bus')
  const subscribed: string[] = []
  return {
    async publish(channel, text) {
      await redis.client.publish(channel, text)
    },
    async subscribe(channels, hear) {
      subscriber.on('message', (_channel: string, text: string) => hear(text))
      subscribed.push(...channels)
      await subscriber.subscribe(...channels)
    },
    async subscribeAgain() {
      await subscriber.subscribe(...subscribed)
    },
    async listeners(channels) {
      const { client } = redis
      // A Cluster's nodes each know their own subscribers only.
      const nodes = client instanceof Cluster ? client.nodes('all') : [client]
      const counts = await Promise.all(nodes.map((node) => node.call('PUBSUB', 'NUMSUB', ...channels)))
      return channels.map((_, i) => counts.reduce<number>((sum, of) => sum + Number((of as unknown[])[i * 2 + 1]), 0))
    },
    async showLife(channel, forMs) {
      await Promise.all(lives.map((tag) => redis.client.set(`${channel}:${tag}`, 1, 'PX', forMs)))
    },
    showsLife: (channels) =>
      Promise.all(
        channels.map(async (channel) => {
          const looks = lives.map((tag) => redis.client.exists(`${channel}:${tag}`))
          const found = await Promise.allSettled(looks)
          if (found.some((each) => each.status === 'fulfilled' && each.value === 1)) return true
          // Only all of them together say no.
          for (const each of found) if (each.status === 'rejected') throw each.reason
          return false
        }),
      ),
    onReconnect: (listener) => void redis.onReconnect(listener),
    async stop() {
      subscriber.disconnect()
    },
  }
}
