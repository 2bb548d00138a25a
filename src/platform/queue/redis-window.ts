/** The window in Redis, for all processes. Each call is one script over keys that share a hash slot. */
import { createHash } from 'node:crypto'
import type { Clock } from '../clock.ts'
import type { RedisConnection } from '../redis/connection.ts'
import type { Partition } from './queue.ts'
import {
  type Entry,
  type Inside,
  OVERFLOW,
  PLACES_KEPT_MS,
  RANK_MAX,
  REFILL_LOCK_MS,
  ROUNDING_MS,
  TENANT_SHARE,
  type Window,
} from './window.ts'

export interface RedisWindowOptions {
  readonly redis: RedisConnection
  readonly prefix: string
  readonly windowSize: number
  readonly workerId: string
  /** Instead of the time of Redis, which all processes share: for tests. */
  readonly clock?: Clock
}

// Keys: ids (id → tenant, key, time), tenants and counts (how many are inside), places (worker → places and until when), rates (name →
// when the next may come, were there no burst), limited (names that somebody waits for), backlog (a flag), refilling (who refills, and
// until when), asked (a flag: once more after this refill).
const PREAMBLE = `
local ids, tenants, counts, places, rates, limited, backlog, refilling, asked = unpack(KEYS)
local now = tonumber(ARGV[1])
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end
local function allPlaces()
  local sum = 0
  local all = redis.call('HGETALL', places)
  for i = 1, #all, 2 do
    local count, untilMs = string.match(all[i + 1], '^(%d+):(%d+)$')
    if tonumber(untilMs) < now then redis.call('HDEL', places, all[i]) else sum = sum + tonumber(count) end
  end
  return sum
end
local function drop(hash, name)
  if redis.call('HINCRBY', hash, name, -1) <= 0 then redis.call('HDEL', hash, name) end
end
local function refiller()
  local held = redis.call('GET', refilling)
  if not held then return nil end
  local who, untilMs = string.match(held, '^(.*):(%d+)$')
  if tonumber(untilMs) > now then return who end
end
local function isLow(windowSize)
  return redis.call('EXISTS', backlog) == 1 and redis.call('HLEN', ids) <= allPlaces() + windowSize / 2
end
`

const ENTER = `${PREAMBLE}
local windowSize, isRefill = tonumber(ARGV[3]), ARGV[4] == '1'
local inside, sum, tenantCount = redis.call('HLEN', ids), allPlaces(), redis.call('HLEN', tenants)
local reserve = math.max(1, windowSize * ${TENANT_SHARE})
local hasBacklog = redis.call('EXISTS', backlog) == 1
local answers = {}
local function nextOf(name, rate)
  -- Not later than this rate could make it: it may have been a slower one.
  local known, latest = tonumber(redis.call('HGET', rates, name) or '0'), now + rate.periodMs
  if known > latest then redis.call('HSET', rates, name, string.format('%.3f', latest)) end
  return math.min(math.max(known, now), latest)
end
local function waitMs(name, rate)
  local step = rate.periodMs / rate.count
  return math.max(0, math.ceil(nextOf(name, rate) + step - rate.periodMs - now - ${ROUNDING_MS}))
end
local function arrive(name, rate)
  local arrival = nextOf(name, rate) + rate.periodMs / rate.count
  redis.call('HSET', rates, name, string.format('%.3f', arrival))
end
local function enter(one)
  local underWay = tonumber(redis.call('HGET', tenants, one.tenantId) or '0')
  local others = tenantCount
  if underWay == 0 then others = others + 1 end
  local rank = math.min(math.floor(underWay / one.weight), math.ceil(sum / math.max(others, 1)), ${RANK_MAX})
  if redis.call('HEXISTS', ids, one.id) == 1 then return { rank = rank, isNew = false } end
  local checks = { { one.tenantId, underWay, one.limits } }
  local keyName = one.key and (one.tenantId .. '/' .. one.key)
  if keyName then checks[2] = { keyName, tonumber(redis.call('HGET', counts, keyName) or '0'), one.keyLimits } end
  for _, check in ipairs(checks) do
    if check[3].concurrency and check[2] >= check[3].concurrency then
      redis.call('SADD', limited, check[1])
      return { refused = 'limit' }
    end
  end
  local hasRoom = inside < windowSize + sum and (isRefill or not hasBacklog)
  local isPoor = underWay < reserve and inside < windowSize * ${1 + OVERFLOW} + sum
  if not hasRoom and not isPoor then
    redis.call('SET', backlog, 1)
    hasBacklog = true
    return { refused = 'full' }
  end
  local againInMs = 0
  for _, check in ipairs(checks) do
    if check[3].rate then againInMs = math.max(againInMs, waitMs(check[1], check[3].rate)) end
  end
  if againInMs > 0 then return { refused = 'rate', againInMs = againInMs } end
  for _, check in ipairs(checks) do
    if check[3].rate then arrive(check[1], check[3].rate) end
  end
  redis.call('HSET', ids, one.id, cjson.encode({ one.tenantId, keyName or false, now }))
  inside = inside + 1
  if redis.call('HINCRBY', tenants, one.tenantId, 1) == 1 then tenantCount = tenantCount + 1 end
  if keyName then redis.call('HINCRBY', counts, keyName, 1) end
  return { rank = rank, isNew = true }
end
for i, one in ipairs(cjson.decode(ARGV[2])) do answers[i] = enter(one) end
-- Arrivals that are past say nothing any more; now and then they are looked for.
if redis.call('HLEN', rates) > 10000 and now % 50 == 0 then
  local all = redis.call('HGETALL', rates)
  for i = 1, #all, 2 do if tonumber(all[i + 1]) < now then redis.call('HDEL', rates, all[i]) end end
end
return cjson.encode(answers)
`

const LEAVE = `${PREAMBLE}
local isAwaited = false
for _, id in ipairs(cjson.decode(ARGV[2])) do
  local held = redis.call('HGET', ids, id)
  if held then
    local tenantId, keyName = unpack(cjson.decode(held))
    redis.call('HDEL', ids, id)
    drop(tenants, tenantId)
    if redis.call('SREM', limited, tenantId) == 1 then isAwaited = true end
    if keyName then
      drop(counts, keyName)
      if redis.call('SREM', limited, keyName) == 1 then isAwaited = true end
    end
  end
end
if refiller() then
  if isAwaited then redis.call('SET', asked, 1) end
  return 0
end
return (isAwaited or isLow(tonumber(ARGV[3]))) and 1 or 0
`

const BEGIN = `${PREAMBLE}
if refiller() then
  redis.call('SET', asked, 1)
  return 0
end
redis.call('SET', refilling, string.format('%s:%.0f', ARGV[2], now + ${REFILL_LOCK_MS}))
-- Whoever is refused from now on sets it again.
redis.call('DEL', asked, backlog)
return 1
`

const END = `${PREAMBLE}
if ARGV[3] == '0' then redis.call('SET', backlog, 1) end
local who = refiller()
-- Somebody else has taken over from a refill that took too long.
if who and who ~= ARGV[2] then return 0 end
redis.call('DEL', refilling)
return (redis.call('EXISTS', asked) == 1 or isLow(tonumber(ARGV[4]))) and 1 or 0
`

const ROOM = `${PREAMBLE}
return math.max(0, tonumber(ARGV[2]) + allPlaces() - redis.call('HLEN', ids))
`

const PLACES = `${PREAMBLE}
redis.call('HSET', places, ARGV[2], string.format('%s:%.0f', ARGV[3], now + ${PLACES_KEPT_MS}))
return 1
`

const KEY_NAMES = ['ids', 'tenants', 'counts', 'places', 'rates', 'limited', 'backlog', 'refilling', 'asked']
const shaOf = new Map(
  [ENTER, LEAVE, BEGIN, END, ROOM, PLACES].map((script) => [script, createHash('sha1').update(script).digest('hex')]),
)

export const makeRedisWindow = (options: RedisWindowOptions): Window => {
  const { redis, prefix, windowSize, workerId, clock } = options
  const keyOf = (partition: Partition, name: string): string => `${prefix}:{${partition}.window}:${name}`

  const run = async (script: string, partition: Partition, ...args: (string | number)[]): Promise<unknown> => {
    const keys = KEY_NAMES.map((name) => keyOf(partition, name))
    const given = [keys.length, ...keys, clock?.now() ?? '', ...args] as const
    try {
      return await redis.client.evalsha(shaOf.get(script) as string, ...given)
    } catch (error) {
      if (!(error instanceof Error) || !error.message.startsWith('NOSCRIPT')) throw error
      return redis.client.eval(script, ...given)
    }
  }

  return {
    async enter(partition, entrants, isRefill) {
      const text = await run(ENTER, partition, JSON.stringify(entrants), windowSize, isRefill ? 1 : 0)
      const answers = JSON.parse(text as string) as Entry[] | Record<string, never>
      // An empty Lua table is an object to cjson.
      return Array.isArray(answers) ? answers : []
    },
    leave: async (partition, ids) => (await run(LEAVE, partition, JSON.stringify(ids), windowSize)) === 1,
    beginRefill: async (partition) => (await run(BEGIN, partition, workerId)) === 1,
    endRefill: async (partition, isDrained) =>
      (await run(END, partition, workerId, isDrained ? 1 : 0, windowSize)) === 1,
    async inside(partition) {
      const all = await redis.client.hgetall(keyOf(partition, 'ids'))
      return new Map<string, Inside>(
        Object.entries(all).map(([id, held]) => {
          const [tenantId, keyName, enteredMs] = JSON.parse(held) as [string, string | false, number]
          return [id, { tenantId, enteredMs, ...(keyName && { key: keyName.slice(tenantId.length + 1) }) }]
        }),
      )
    },
    room: async (partition) => (await run(ROOM, partition, windowSize)) as number,
    async setPlaces(partition, id, places) {
      await run(PLACES, partition, id, places)
    },
  }
}
