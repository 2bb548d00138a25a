/** Those whom notifications are for: only members of the tenant are, and nothing of one who was removed stays. */
import type { Handle } from '../platform/db/database.ts'
import { writeEvent } from '../platform/events/write.ts'
import { notificationErrors } from './errors.ts'
import { makeNotificationRepository } from './repository.ts'
import { makePeopleRepository } from './repository-people.ts'
import { subscriptionEvent } from './subscription-event.ts'

export interface PeopleOptions {
  readonly isMember: (tenantId: string, memberId: string) => Promise<boolean>
}

export const makePeople = ({ isMember }: PeopleOptions) => ({
  /** Throws `member_unknown`. `callerId`, whom the identity provider vouches for, need not be among the members. */
  async check(tenantId: string, memberId: string, callerId: string | null = null): Promise<void> {
    if (memberId === callerId || (await isMember(tenantId, memberId))) return
    const hint = memberId.includes('@') ? '; this is an address, not an id' : ''
    throw notificationErrors.member_unknown(
      `the tenant has no member with the id "${memberId}"${hint}. Allowed: the id of a member, which GET /v1/members tells`,
      { findings: [{ path: '/memberId', message: 'must be the id of a member of the tenant' }] },
    )
  },

  /**
   * Ends what is for a member: preferences, subscriptions, items of the inbox, and deliveries that wait for their time or for another try. A
   * call that is under way is not stopped. Part of the transaction that removes the member.
   */
  async forget(tx: Handle, tenantId: string, memberId: string, atMs: number): Promise<void> {
    const people = makePeopleRepository(tx)
    // First of all: what is being made for the member at this moment is waited for, and found below.
    await makeNotificationRepository(tx).bumpRoutes()
    const ended = await people.removeSubscriptions(tenantId, memberId)
    await people.removePreferences(tenantId, memberId)
    await people.removeItems(tenantId, memberId)
    await people.skipPending(tenantId, memberId, 'the member was removed', atMs)
    for (const subscription of ended) {
      await writeEvent(tx, subscriptionEvent({ ...subscription, tenantId }, 'subscription.deleted', atMs))
    }
  },
})

export type People = ReturnType<typeof makePeople>
