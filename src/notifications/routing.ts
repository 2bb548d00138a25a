/** Which subscriptions an event fits. They are held in memory, and never older than the events that are matched against them. */
import type { Event } from '../platform/events/event.ts'
import { compilePattern, isAtLeast, severityOf } from './catalogue.ts'
import { ROUTES } from './channels.ts'
import type { NotificationRepository } from './repository.ts'
import type { Subscription } from './types.ts'

export interface Route {
  readonly subscription: Subscription
  readonly isInbox: boolean
  fits(event: Event): boolean
}

const makeRoute = ({ subscription, kind }: { subscription: Subscription; kind: string }): Route => {
  const patterns = subscription.types.map(compilePattern)
  const { projectId, severity, createdAtMs } = subscription
  return {
    subscription,
    isInbox: kind === 'inbox',
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
  /** What was current when last asked. */
  known(): ReadonlyMap<string, readonly Route[]>
}

export const makeRouting = (repository: NotificationRepository): Routing => {
  let routes: ReadonlyMap<string, readonly Route[]> = new Map()
  // Every change of a channel or a subscription, by any process, counts it up in the same transaction.
  let edition = -1
  return {
    known: () => routes,
    async current() {
      const now = await repository.cursor(ROUTES)
      if (now === edition) return routes
      routes = Map.groupBy((await repository.routes()).map(makeRoute), ({ subscription }) => subscription.tenantId)
      edition = now
      return routes
    },
  }
}
