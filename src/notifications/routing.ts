/** Which subscriptions an event fits. They are held in memory, and never older than the events that are matched against them. */
import type { Event } from '../platform/events/event.ts'
import { compilePattern, covered, isAtLeast, severityOf } from './catalogue.ts'
import { keyOf, type NotificationRepository, type RouteChannel, type RouteRows } from './repository.ts'
import type { Preferences, Subscription } from './types.ts'

export interface Route {
  readonly subscription: Subscription
  /** That of the member's preferences, or that of the subscription. */
  readonly channel: RouteChannel
  /** Of the member that the subscription is for. */
  readonly preferences: Preferences | null
  fits(event: Event): boolean
}

/** Undefined when its channel is not in use. */
const makeRoute = (subscription: Subscription, { channels, preferences }: RouteRows): Route | undefined => {
  const { tenantId, projectId, memberId, severity, createdAtMs } = subscription
  const wishes = (memberId !== null && preferences.get(keyOf(tenantId, memberId))) || null
  const wanted = wishes?.channelId ?? subscription.channelId
  const channel = channels.get(keyOf(tenantId, wanted)) ?? channels.get(keyOf(tenantId, subscription.channelId))
  if (!channel) return undefined
  const patterns = subscription.types.map(compilePattern)
  return {
    subscription,
    channel,
    preferences: wishes,
    fits: (event) =>
      // A subscription is told of what happens after its making.
      event.atMs >= createdAtMs &&
      (projectId === null || projectId === event.projectId) &&
      isAtLeast(severityOf(event.type), severity) &&
      patterns.some((covers) => covers(event.type)),
  }
}

export interface Routing {
  /** By tenant. To be asked after the events were read: then no subscription that is older than an event can be missing. */
  current(): Promise<ReadonlyMap<string, readonly Route[]>>
  /** Those that somebody was subscribed to when last asked. */
  types(): ReadonlySet<string>
  /** What was current when last asked. */
  known(): ReadonlyMap<string, readonly Route[]>
}

export const makeRouting = (repository: NotificationRepository): Routing => {
  let types: ReadonlySet<string> = new Set()
  let routes: ReadonlyMap<string, readonly Route[]> = new Map()
  // Every change of a channel, a subscription or preferences, by any process, counts it up in the same transaction.
  let edition = -1
  return {
    known: () => routes,
    types: () => types,
    async current() {
      const now = await repository.routesEdition()
      if (now === edition) return routes
      const rows = await repository.routes()
      const made = rows.subscriptions.map((subscription) => makeRoute(subscription, rows))
      routes = Map.groupBy(
        made.filter((route) => route !== undefined),
        ({ subscription }) => subscription.tenantId,
      )
      types = new Set(rows.subscriptions.flatMap((subscription) => subscription.types.flatMap(covered)))
      edition = now
      return routes
    },
  }
}
