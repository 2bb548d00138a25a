/** Hands committed events to whoever listens within this process. */
import type { Event } from './event.ts'

export interface EventFilter {
  readonly tenantId?: string
  readonly runId?: string
  readonly taskId?: string
}

export interface EventHub {
  /** Called after the commit that wrote them. */
  publish(events: readonly Event[]): void
  /** `listener` must be quick and must not throw. The returned function ends it. */
  subscribe(filter: EventFilter, listener: (event: Event) => void): () => void
  readonly hasListeners: boolean
}

export const makeEventHub = (): EventHub => {
  // Listeners are found by the narrowest thing they ask for, so that many streams cost nothing to unrelated runs.
  const byKey = new Map<string, Set<(event: Event) => void>>()
  const keyOf = (filter: EventFilter): string => filter.runId ?? filter.taskId ?? filter.tenantId ?? '*'
  const tell = (key: string | null, event: Event): void => {
    if (key === null) return
    for (const listener of byKey.get(key) ?? []) listener(event)
  }
  return {
    get hasListeners() {
      return byKey.size > 0
    },
    publish(events) {
      if (byKey.size === 0) return
      for (const event of events) {
        tell(event.runId, event)
        tell(event.taskId, event)
        tell(event.tenantId, event)
        tell('*', event)
      }
    },
    subscribe(filter, listener) {
      const key = keyOf(filter)
      const matches = (event: Event): void => {
        if (filter.tenantId === undefined || filter.tenantId === event.tenantId) listener(event)
      }
      const set = byKey.get(key) ?? new Set()
      set.add(matches)
      byKey.set(key, set)
      return () => {
        set.delete(matches)
        if (set.size === 0 && byKey.get(key) === set) byKey.delete(key)
      }
    },
  }
}
