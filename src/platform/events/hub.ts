/** Hands committed events to whoever listens within this process; `relay.ts` brings those of other processes. */
import { isVisibleTo, type Scope } from '../scope.ts'
import type { Event } from './event.ts'

export interface EventFilter {
  readonly tenantId?: string
  /** With `tenantId`: only what this project sees. */
  readonly projectId?: Scope['projectId']
  readonly runId?: string
  readonly taskId?: string
  /** Any of these types, of all tenants. A filter that names nothing hears all events of this process, and none of others. */
  readonly types?: readonly string[]
}

export interface EventHub {
  /** Called after the commit that wrote them. */
  publish(events: readonly Event[]): void
  /** `listener` must be quick and must not throw. The returned function ends it. */
  subscribe(filter: EventFilter, listener: (event: Event) => void): () => void
  /** Resolves when what is committed elsewhere from now on reaches the subscriptions made so far. */
  settled(): Promise<void>
  /** How many of each type were published by this process. */
  readonly published: ReadonlyMap<string, number>
}

/** The part of the hub that the relay works with. */
export interface RelayedHub extends EventHub {
  /** Tells listeners of this process only. */
  deliver(events: readonly Event[]): void
  /** What is asked for here. */
  interests(): string[]
  connect(relay: {
    publish(events: readonly Event[]): void
    changed(key: string, isWanted: boolean): void
    settled(): Promise<void>
  }): void
}

/** What a filter asks for, as keys: the narrowest thing it names. */
const keysOf = ({ runId, taskId, tenantId, types }: EventFilter): string[] =>
  types ? types.map((type) => `type:${type}`) : [runId ?? taskId ?? tenantId ?? EVERYTHING]

const EVERYTHING = '*'

/** The keys under which an event is found. */
export const keysOfEvent = ({ runId, taskId, tenantId, type }: Event): string[] => {
  const keys = [tenantId, EVERYTHING, `type:${type}`]
  if (runId !== null) keys.push(runId)
  if (taskId !== null) keys.push(taskId)
  return keys
}

export const makeEventHub = (): RelayedHub => {
  // Listeners are found by the narrowest thing they ask for, so that many streams cost nothing to unrelated runs.
  const byKey = new Map<string, Set<(event: Event) => void>>()
  const published = new Map<string, number>()
  let relay: Parameters<RelayedHub['connect']>[0] | undefined

  const deliver = (events: readonly Event[]): void => {
    if (byKey.size === 0) return
    for (const event of events) {
      for (const key of keysOfEvent(event)) for (const listener of byKey.get(key) ?? []) listener(event)
    }
  }

  const add = (key: string, listener: (event: Event) => void): void => {
    const set = byKey.get(key)
    if (set) set.add(listener)
    else {
      byKey.set(key, new Set([listener]))
      if (key !== EVERYTHING) relay?.changed(key, true)
    }
  }

  const remove = (key: string, listener: (event: Event) => void): void => {
    const set = byKey.get(key)
    set?.delete(listener)
    if (set?.size !== 0) return
    byKey.delete(key)
    if (key !== EVERYTHING) relay?.changed(key, false)
  }

  return {
    published,
    deliver,
    publish(events) {
      for (const { type } of events) published.set(type, (published.get(type) ?? 0) + 1)
      deliver(events)
      relay?.publish(events)
    },
    subscribe(filter, listener) {
      const { tenantId, projectId = null } = filter
      const matches = (event: Event): void => {
        if (tenantId === undefined || isVisibleTo({ tenantId, projectId }, event)) listener(event)
      }
      const keys = keysOf(filter)
      for (const key of keys) add(key, matches)
      return () => {
        for (const key of keys) remove(key, matches)
      }
    },
    settled: async () => relay?.settled(),
    interests: () => [...byKey.keys()].filter((key) => key !== EVERYTHING),
    connect(made) {
      relay = made
    },
  }
}
