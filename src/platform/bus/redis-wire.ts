/** The bus's wire over Redis publish/subscribe. On a Cluster the nodes pass messages on among themselves. */
import { Cluster } from 'ioredis'
import type { RedisConnection } from '../redis/connection.ts'
import type { Wire } from './wire-bus.ts'

const lifeOf = (channel: string): string => `${channel}:life`

export const makeRedisWire = (redis: RedisConnection): Wire => {
  const subscriber = redis.duplicate('subscriber', 'aidos-bus')
  return {
    async publish(channel, text) {
      await redis.client.publish(channel, text)
    },
    async subscribe(channels, hear) {
      subscriber.on('message', (_channel: string, text: string) => hear(text))
      await subscriber.subscribe(...channels)
    },
    async listeners(channels) {
      const { client } = redis
      // A Cluster's nodes each know their own subscribers only.
      const nodes = client instanceof Cluster ? client.nodes('all') : [client]
      const counts = await Promise.all(nodes.map((node) => node.call('PUBSUB', 'NUMSUB', ...channels)))
      return channels.map((_, i) => counts.reduce<number>((sum, of) => sum + Number((of as unknown[])[i * 2 + 1]), 0))
    },
    async showLife(channel, forMs) {
      await redis.client.set(lifeOf(channel), 1, 'PX', forMs)
    },
    showsLife: (channels) =>
      Promise.all(channels.map(async (channel) => (await redis.client.exists(lifeOf(channel))) === 1)),
    onReconnect: (listener) => void redis.onReconnect(listener),
    async stop() {
      subscriber.disconnect()
    },
  }
}
