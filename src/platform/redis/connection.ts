/**
 * The connection to Redis: one server, a primary found through Sentinel, or a Cluster. Goes on by itself after an outage, and
 * tells once when one begins and once when it is over.
 */
import { Cluster } from 'ioredis'
import { type Clock, systemClock, waitAtMost } from '../clock.ts'
import type { Log } from '../log.ts'
import { makeClient, type RedisClient, type RedisTarget, type RedisUse } from './client-options.ts'
import { isHopeless, reasonOf, redisErrors } from './errors.ts'
import { checkSettings } from './settings-check.ts'

export type { RedisClient, RedisTarget, RedisUse } from './client-options.ts'

export interface RedisOptions extends RedisTarget {
  readonly log: Pick<Log, 'warn' | 'info'>
  readonly clock?: Clock
}

export interface RedisConnection {
  readonly mode: RedisTarget['mode']
  /** For the hot path: a command fails at once while Redis is away, and after two seconds without an answer. */
  readonly client: RedisClient
  /** A connection of its own for another use. `stop()` ends it if the taker has not. */
  duplicate(use: RedisUse, connectionName?: string): RedisClient
  /**
   * Resolves once commands can be sent; rejects with the last error when that takes longer, and with `redis_refuses` at once where waiting
   * would not help.
   */
  ready(timeoutMs?: number, signal?: AbortSignal): Promise<void>
  isReady(): boolean
  /** `stop()` was called. */
  isStopped(): boolean
  /** Rejects within about two seconds when Redis is away. */
  ping(): Promise<void>
  /** Warns in the log of settings under which Redis may lose work, saying what to set; answers with the warnings. */
  check(): Promise<readonly string[]>
  /**
   * Calls the listener soon after each outage: a lost and regained connection, a failover. What was sent meanwhile may be
   * lost, so this is the time to look at the database. The returned function ends the listening.
   */
  onReconnect(listener: () => void): () => void
  stop(): Promise<void>
}

/** Several nodes and connections come back within moments of each other: one call tells of them all. */
const SETTLE_MS = 250
const QUIT_MS = 1000

const masters = (client: Cluster): string =>
  client
    .nodes('master')
    .map((node) => `${node.options.host}:${node.options.port}`)
    .toSorted()
    .join()

export const makeRedis = ({ log, clock = systemClock, ...target }: RedisOptions): RedisConnection => {
  const clients = new Set<RedisClient>()
  const listeners = new Set<() => void>()
  let away = false
  /** Until then whoever waits for it tells. */
  let wasReady = false
  let lastError = ''
  let stopped = false
  let cancelTelling: (() => void) | undefined

  const tellReconnect = (): void => {
    if (stopped) return
    cancelTelling ??= clock.after(SETTLE_MS, () => {
      cancelTelling = undefined
      for (const listener of listeners) listener()
    })
  }

  const lost = (reason: string): void => {
    if (away || stopped || !wasReady) return
    away = true
    log.warn({ mode: target.mode, reason }, 'Redis is away; trying again until it is back')
  }

  const back = (): void => {
    wasReady = true
    if (!away) return
    away = false
    log.info({ mode: target.mode }, 'Redis is back')
    tellReconnect()
  }

  /** Without a listener ioredis prints to the console; a duplicate's outage is that of the main client. */
  const open = (use: RedisUse, name?: string): RedisClient => {
    const made = makeClient(target, use, name)
    clients.add(made)
    made.on('end', () => clients.delete(made))
    made.on('connecting', () => clients.add(made))
    made.on('error', (error: Error) => {
      lastError = reasonOf(error)
    })
    return made
  }

  const client = open('commands')
  client.on('error', (error: Error) => lost(reasonOf(error)))
  client.on('close', () => lost(lastError || 'the connection was closed'))
  client.on('ready', back)
  if (client instanceof Cluster) watchNodes(client, tellReconnect)

  return {
    mode: target.mode,
    client,
    duplicate: open,
    isReady: () => client.status === 'ready',
    isStopped: () => stopped,
    async ready(timeoutMs = 10_000, signal) {
      if (client.status === 'ready') return
      const { promise, resolve, reject } = Promise.withResolvers<void>()
      const look = (): void => {
        if (isHopeless(lastError)) reject(redisErrors.redis_refuses(lastError))
      }
      const stop = (): void => reject(signal?.reason)
      const cancel = clock.after(timeoutMs, () =>
        reject(new Error(`Redis cannot be reached within ${timeoutMs} ms: ${lastError || 'no answer'}`)),
      )
      client.once('ready', resolve)
      client.on('error', look)
      signal?.addEventListener('abort', stop, { once: true })
      look()
      try {
        await promise
      } finally {
        cancel()
        client.off('ready', resolve)
        client.off('error', look)
        signal?.removeEventListener('abort', stop)
      }
    },
    async ping() {
      await client.ping()
    },
    async check() {
      const warnings = await checkSettings(client)
      for (const warning of warnings) log.warn(warning)
      return warnings
    },
    onReconnect(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    async stop() {
      stopped = true
      cancelTelling?.()
      const made = [...clients]
      const quit = Promise.all(made.map((each) => (each.status === 'ready' ? each.quit().catch(() => {}) : undefined)))
      await waitAtMost(clock, QUIT_MS, quit)
      for (const each of made) each.disconnect()
    },
  }
}

/** A failover within a cluster leaves the client as a whole ready: seen by a lost node, or by other masters in the table of slots. */
const watchNodes = (client: Cluster, tell: () => void): void => {
  let known = ''
  let lostNode = false
  client.on('-node', () => {
    lostNode = true
  })
  client.on('refresh', () => {
    const now = masters(client)
    if (known !== '' && (lostNode || now !== known)) tell()
    known = now
    lostNode = false
  })
}
