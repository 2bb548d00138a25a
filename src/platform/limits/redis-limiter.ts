/**
 * Rate limits shared by all processes, in Redis: the same sliding window as in memory, moved on and counted by one script. A limit is one
 * key with a hash tag, so that each lives whole on one node of a cluster; the time is Redis's own, so that clocks need not agree.
 */
import { createHash } from 'node:crypto'
import type { Cluster, Redis } from 'ioredis'
import type { Clock } from '../clock.ts'
import { defineErrors } from '../errors.ts'
import { type RateLimiter, SLOTS, slotMsOf } from './rate-limiter.ts'

const redisErrors = defineErrors({ rate_store_away: { status: 503, retryable: true } })

export interface RedisLimiterOptions {
  readonly redis: Redis | Cluster
  /** Before every key. */
  readonly prefix?: string
  /** In place of Redis's own time, for tests. */
  readonly clock?: Pick<Clock, 'now'>
}

/** Fields: `n` newest slot, `t` total, and the uses of each slot by its number modulo the number kept. */
const SCRIPT = `
local limit, slot_ms, kept, now = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
if now == 0 then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end
local slot = math.floor(now / slot_ms)
local head = redis.call('HMGET', KEYS[1], 'n', 't')
local newest, total = tonumber(head[1]) or slot, tonumber(head[2]) or 0
if slot < newest then slot = newest end
if slot - newest >= kept then
  redis.call('DEL', KEYS[1])
  total = 0
elseif slot > newest then
  local gone = {}
  for s = newest + 1, slot do gone[#gone + 1] = s % kept end
  local counts = redis.call('HMGET', KEYS[1], unpack(gone))
  for i = 1, #gone do total = total - (tonumber(counts[i]) or 0) end
  redis.call('HDEL', KEYS[1], unpack(gone))
end
local allowed, oldest = 0, slot
if total < limit then
  allowed = 1
  total = total + 1
  redis.call('HINCRBY', KEYS[1], slot % kept, 1)
else
  for s = math.max(0, slot - kept + 1), slot do
    if (tonumber(redis.call('HGET', KEYS[1], s % kept)) or 0) > 0 then
      oldest = s
      break
    end
  end
end
redis.call('HSET', KEYS[1], 'n', slot, 't', total)
redis.call('PEXPIRE', KEYS[1], slot_ms * (kept + 1))
return { allowed, limit - total, (oldest + kept) * slot_ms - now }
`
const SHA = createHash('sha1').update(SCRIPT).digest('hex')
const KEPT = SLOTS + 1

/** Throws `rate_store_away`, at once, while there is no connection. */
export const makeRedisLimiter = ({ redis, prefix = 'aidos:rate:', clock }: RedisLimiterOptions): RateLimiter => ({
  async take(key, policy) {
    // Otherwise the command would wait for the connection, and the request with it.
    if (redis.status !== 'ready') throw redisErrors.rate_store_away(`Redis is ${redis.status}`)
    const slotMs = slotMsOf(policy)
    const args = [`${prefix}{${slotMs}:${key}}`, policy.limit, slotMs, KEPT, clock?.now() ?? 0] as const
    const answer = (await redis.evalsha(SHA, 1, ...args).catch((error: Error) => {
      // Redis forgets its scripts when it restarts.
      if (!error.message.startsWith('NOSCRIPT')) throw error
      return redis.eval(SCRIPT, 1, ...args)
    })) as [number, number, number]
    const isAllowed = answer[0] === 1
    return {
      isAllowed,
      remaining: Math.max(0, answer[1]),
      resetMs: isAllowed ? policy.windowMs : Math.max(1, answer[2]),
    }
  },
})
