/** The bus's wire over Redis publish/subscribe. On a Cluster the nodes pass messages on among themselves. */
import type { RedisConnection } from '../redis/connection.ts'
import type { Wire } from './wire-bus.ts'

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
    onReconnect: (listener) => void redis.onReconnect(listener),
    async stop() {
      subscriber.disconnect()
    },
  }
}
