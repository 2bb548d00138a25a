/** Subscriptions: made, listed, removed. */
import type { Clock } from '../platform/clock.ts'
import type { Database } from '../platform/db/database.ts'
import type { MakeId } from '../platform/ids.ts'
import { type Owner, tenantOf } from '../platform/scope.ts'
import { CATALOGUE, covered, isPattern } from './catalogue.ts'
import { notificationErrors } from './errors.ts'
import type { Liquids } from './liquid.ts'
import type { People } from './people.ts'
import { type ListFilter, makeNotificationRepository } from './repository.ts'
import { subscriptionEvent } from './subscription-event.ts'
import type { NewSubscription, Subscription } from './types.ts'
import type { WriteRoute } from './write-route.ts'

export interface SubscriptionOptions {
  readonly db: Database
  readonly clock: Clock
  readonly makeId: MakeId
  readonly liquids: Liquids
  readonly people: People
  readonly write: WriteRoute
}

const checkTypes = (types: readonly string[]): void => {
  const wrong = types.find((pattern) => !isPattern(pattern) || covered(pattern).length === 0)
  if (wrong === undefined) return
  const known = Object.keys(CATALOGUE)
  const near = known.filter((name) => name.split('.')[0] === wrong.split('.')[0])
  throw notificationErrors.event_type_unknown(
    `no event type fits "${wrong}"; allowed: a type, or one with *, such as run.* or *.failed. ` +
      `Types: ${(near.length > 0 ? near : known).join(', ')}`,
  )
}

export const makeSubscriptions = ({ db, clock, makeId, liquids, people, write }: SubscriptionOptions) => {
  const repository = makeNotificationRepository(db.primary)

  const findSubscription = async (owner: Owner, id: string): Promise<Subscription> => {
    const subscription = await repository.subscription(owner, id)
    if (!subscription) throw notificationErrors.subscription_not_found(`there is no subscription ${id}`)
    return subscription
  }

  /** `callerId`: the member who asks, if one does. */
  const subscribe = async (
    owner: Owner,
    request: NewSubscription,
    callerId: string | null = null,
  ): Promise<Subscription> => {
    checkTypes(request.types)
    if (request.dedup) liquids.check(request.dedup.key)
    const tenantId = tenantOf(owner)
    const { memberId = null, dedup = null } = request
    if (memberId !== null) await people.check(tenantId, memberId, callerId)
    if (!(await repository.channel(owner, request.channelId)))
      throw notificationErrors.channel_not_found(`there is no channel ${request.channelId}`)
    const subscription = { ...request, memberId, dedup, id: makeId(), tenantId, createdAtMs: clock.now() }
    await write(subscriptionEvent(subscription, 'subscription.created', clock.now()), (tx) =>
      makeNotificationRepository(tx).addSubscription(subscription),
    )
    return subscription
  }

  const unsubscribe = async (owner: Owner, id: string): Promise<void> => {
    const subscription = await findSubscription(owner, id)
    await write(subscriptionEvent(subscription, 'subscription.deleted', clock.now()), (tx) =>
      makeNotificationRepository(tx).deleteSubscription(subscription.tenantId, id),
    )
  }

  return {
    findSubscription,
    subscriptions: (owner: Owner, filter: ListFilter) => repository.subscriptions(owner, filter),
    subscribe,
    unsubscribe,
  }
}
