/** What the event log is told of a subscription, by whoever makes or ends one. */
import type { StandaloneEvent } from '../platform/events/event.ts'
import type { Subscription } from './types.ts'

type Named = Pick<Subscription, 'id' | 'tenantId' | 'projectId' | 'channelId' | 'types'>

export const subscriptionEvent = (
  { id, tenantId, projectId, channelId, types }: Named,
  type: 'subscription.created' | 'subscription.deleted',
  atMs: number,
): StandaloneEvent => {
  const data = { subscriptionId: id, channelId, types: [...types] }
  return { tenantId, projectId, type, data, atMs }
}
