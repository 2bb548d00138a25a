/**
 * The bus over any wire that brings a text to all processes or to one: batches, acknowledged asks, and who is there. The wire may
 * lose what it is given while it is down.
 */
import { LRUCache } from 'lru-cache'
import type { Clock } from '../clock.ts'
import type { Json } from '../json.ts'
import type { Bus, BusListener } from './bus.ts'

export interface Wire {
  /** Puts a text on a channel. Rejects when the wire is down. */
  publish(channel: string, text: string): Promise<void>
  /** Hears those channels, now and after each outage. */
  subscribe(channels: readonly string[], hear: (text: string) => void): Promise<void>
  /** Asks once more for what was subscribed to; does no harm where that still holds. */
  subscribeAgain(): Promise<void>
  /** How many hear each of those channels. Rejects when that cannot be told for certain. */
  listeners(channels: readonly string[]): Promise<number[]>
  /** Leaves a sign of life for a channel that others find for so long. */
  showLife(channel: string, forMs: number): Promise<void>
  /** For each of those channels whether it has a sign of life. Rejects when that cannot be told for certain. */
  showsLife(channels: readonly string[]): Promise<boolean[]>
  /** Called when the wire is up again after an outage. */
  onReconnect(listener: () => void): void
  stop(): Promise<void>
}

export interface WireBusOptions {
  readonly wire: Wire
  readonly id: string
  readonly clock: Clock
  /** In front of the names of channels, so that installations can share a Redis. */
  readonly prefix: string
  readonly onError: (error: unknown) => void
  readonly helloEveryMs?: number
  /** How often a process leaves a sign of life. */
  readonly lifeEveryMs?: number
  readonly askTimeoutMs?: number
}

/** What travels: sender and messages as `[topic, message, id of the ask]`. */
interface Parcel {
  readonly from: string
  /** On its channel, of that sender; absent from a process of an older version. Where one is missing, it was lost. */
  readonly number?: number
  readonly isToAll?: boolean
  readonly messages: [string, Json, number?][]
}

const HELLO = 'hello'
const ACK = 'ack'
const GONE = 'gone'
const HELLOS_MISSED = 3
/** A sign of life is found until the next one is this late, in units of their distance. */
const LIFE_LASTS = 2
/** Between the two looks for who has gone, in the same units: who lives has left a sign meanwhile. */
const LIFE_AWAITED = 1.5
const QUIET_AFTER_GAP_MS = 5000
/** Parcels of several processes that are missing at once are one gap. */
const GAP_SETTLES_MS = 100
/** Of processes that are written to. */
const CHANNELS_MAX = 10_000

export const makeWireBus = (options: WireBusOptions): Bus => {
  const { wire, id, clock, prefix, onError } = options
  const { helloEveryMs = 5000, lifeEveryMs = 400, askTimeoutMs = 250 } = options
  const everyone = `${prefix}:bus`
  const channelOf = (to: string): string => `${prefix}:bus:${to}`
  const listeners = new Map<string, BusListener>()
  const gapListeners: (() => void)[] = []
  const leftListeners: ((id: string) => void)[] = []
  /** Others, and when they last said hello; those among them that did not answer an ask in time. */
  const peers = new Map<string, number>()
  const silent = new Set<string>()
  let lastGapMs = clock.now()
  /** Since when what this process tells all, itself among them, does not come back to it. */
  let deafSinceMs: number | undefined
  const outgoing = new Map<string, Parcel['messages']>()
  /** How many parcels were put on a channel; and by sender the numbers of the last that came to all, and to this process. */
  const sent = new LRUCache<string, number>({ max: CHANNELS_MAX })
  const arrived = new Map<string, { toAll?: number; toThis?: number }>()
  const asks = new Map<number, { open: Set<string>; done: () => void }>()
  let lastAsk = 0
  let disarmHello = (): void => {}
  let disarmLife = (): void => {}
  let disarmGap: (() => void) | undefined
  let isStopped = false

  const gap = (): void => {
    for (const listener of gapListeners) listener()
  }

  const flush = (): void => {
    for (const [channel, messages] of outgoing) {
      outgoing.delete(channel)
      const number = (sent.get(channel) ?? 0) + 1
      sent.set(channel, number)
      const parcel: Parcel = { from: id, number, ...(channel === everyone ? { isToAll: true } : {}), messages }
      wire.publish(channel, JSON.stringify(parcel)).then(
        () => {
          if (channel === everyone) deafSinceMs ??= clock.now()
        },
        (error: unknown) => {
          if (!isStopped) onError(error)
        },
      )
    }
  }

  const put = (channel: string, ...message: [string, Json, number?]): void => {
    if (isStopped) return
    const waiting = outgoing.get(channel)
    if (waiting) {
      waiting.push(message)
      return
    }
    if (outgoing.size === 0) setImmediate(flush)
    outgoing.set(channel, [message])
  }

  const acknowledged = (from: string, ask: number): void => {
    const found = asks.get(ask)
    if (found?.open.delete(from) && found.open.size === 0) found.done()
  }

  const greeted = (from: string): void => {
    const isNew = !peers.has(from)
    peers.set(from, clock.now())
    if (!isNew) return
    put(channelOf(from), HELLO, null)
    gap()
  }

  /** What one listener cannot take, as from a process of another version, keeps nobody from the rest. */
  const listen = (topic: string, message: Json, from: string): void => {
    try {
      listeners.get(topic)?.(message, from)
    } catch (error) {
      onError(error)
    }
  }

  /** The wire may be up again before anybody notices that it was not, as when only the connection that listens was cut. */
  const count = ({ from, number, isToAll }: Parcel): void => {
    if (number === undefined || !peers.has(from)) return
    const last = arrived.get(from) ?? {}
    const kind = isToAll ? 'toAll' : 'toThis'
    const before = last[kind] ?? number - 1
    arrived.set(from, { ...last, [kind]: number })
    if (number > before + 1) disarmGap ??= clock.after(GAP_SETTLES_MS, gapNow)
  }

  const gapNow = (): void => {
    disarmGap = undefined
    gap()
  }

  const hear = (parcel: Parcel): void => {
    const { from, messages } = parcel
    if (from === id) {
      deafSinceMs = undefined
      return
    }
    silent.delete(from)
    for (const [topic, message, ask] of messages) {
      if (topic === HELLO) greeted(from)
      else if (topic === ACK) acknowledged(from, message as number)
      else if (topic === GONE) for (const peer of message as string[]) left(peer)
      else listen(topic, message, from)
      if (ask !== undefined) put(channelOf(from), ACK, ask)
    }
    // Last: who greets with it is known from now on.
    count(parcel)
  }

  /** Another program may use the same channel: an error here would end the process. */
  const hearText = (text: string): void => {
    try {
      hear(JSON.parse(text) as Parcel)
    } catch (error) {
      onError(error)
    }
  }

  const left = (peer: string): void => {
    if (peer === id) return
    peers.delete(peer)
    silent.delete(peer)
    arrived.delete(peer)
    for (const listener of leftListeners) listener(peer)
  }

  const hello = (): void => {
    for (const [peer, heardMs] of peers) {
      if (clock.now() - heardMs > HELLOS_MISSED * helloEveryMs) left(peer)
    }
    if (deafSinceMs !== undefined && clock.now() - deafSinceMs > HELLOS_MISSED * helloEveryMs) hearAgain()
    put(everyone, HELLO, null)
    disarmHello = clock.after(helloEveryMs, hello)
  }

  /** The wire is up, and the subscription was lost: a client may fail to renew it, and say nothing. */
  const hearAgain = (): void => {
    deafSinceMs = undefined
    wire.subscribeAgain().then(gap, onError)
  }

  const showLife = async (): Promise<void> => {
    disarmLife = clock.after(lifeEveryMs, () => void showLife())
    // Who cannot leave a sign is not taken for gone as long as somebody hears its channel.
    await wire.showLife(channelOf(id), LIFE_LASTS * lifeEveryMs).catch(() => {})
  }

  const ask: Bus['ask'] = async (topic, message) => {
    const { promise, resolve } = Promise.withResolvers<void>()
    const asked = ++lastAsk
    const open = new Set([...peers.keys()].filter((peer) => !silent.has(peer)))
    put(everyone, topic, message, asked)
    if (open.size === 0) return
    asks.set(asked, { open, done: resolve })
    const disarm = clock.after(askTimeoutMs, () => {
      // Not waited for again, until it is heard of.
      for (const slow of open) silent.add(slow)
      resolve()
    })
    await promise
    disarm()
    asks.delete(asked)
  }

  /** Those among them that nobody listens for, and that show no life. */
  const missing = async (among: readonly string[]): Promise<string[]> => {
    // After an outage all subscribe anew: who has not yet is not gone.
    const isQuiet = (): boolean => clock.now() - lastGapMs < QUIET_AFTER_GAP_MS
    if (isQuiet()) return []
    const [own, ...counts] = await wire.listeners([channelOf(id), ...among.map(channelOf)])
    const unheard = among.filter((_, i) => counts[i] === 0)
    if (own !== 1 || unheard.length === 0) return []
    // A node that this process does not know of yet may have listeners that it cannot count.
    const live = await wire.showsLife(unheard.map(channelOf))
    return isQuiet() ? [] : unheard.filter((_, i) => !live[i])
  }

  return {
    isShared: true,
    send: (to, topic, message) => put(channelOf(to), topic, message),
    broadcast: (topic, message) => put(everyone, topic, message),
    ask,
    on: (topic, listener) => void listeners.set(topic, listener),
    onGap: (listener) => void gapListeners.push(listener),
    knows: (peer) => peers.has(peer),
    async gone() {
      const missed = await missing([...peers.keys()])
      if (missed.length === 0) return []
      // Twice: a subscription may just be on its way to another connection, a sign of life have been swept away with all of Redis.
      await new Promise<void>((resolve) => clock.after(LIFE_AWAITED * lifeEveryMs, resolve))
      return missing(missed)
    },
    async declareGone(ids) {
      for (const peer of ids) left(peer)
      await ask(GONE, [...ids])
    },
    onLeft: (listener) => void leftListeners.push(listener),
    async start() {
      await wire.subscribe([everyone, channelOf(id)], hearText)
      wire.onReconnect(() => {
        lastGapMs = clock.now()
        put(everyone, HELLO, null)
        gap()
      })
      hello()
      await showLife()
    },
    async stop() {
      // The last words: that it leaves, and how its last work ended.
      flush()
      isStopped = true
      disarmHello()
      disarmLife()
      disarmGap?.()
      for (const { done } of asks.values()) done()
      await wire.stop()
    },
  }
}
