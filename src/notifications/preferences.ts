/** How members want to be told: through which channel, when not, and whether all at once. */
import type { Clock } from '../platform/clock.ts'
import type { Database, Handle } from '../platform/db/database.ts'
import type { StandaloneEvent } from '../platform/events/event.ts'
import { notificationErrors } from './errors.ts'
import type { People } from './people.ts'
import { makeNotificationRepository } from './repository.ts'
import { makePreferenceRepository } from './repository-preferences.ts'
import type { MemberPreferences, Preferences } from './types.ts'
import type { WriteRoute } from './write-route.ts'

export interface PreferenceOptions {
  readonly db: Database
  readonly clock: Clock
  readonly people: People
  readonly write: WriteRoute
}

const checkTimeZone = (timeZone: string): void => {
  try {
    new Intl.DateTimeFormat('en', { timeZone })
  } catch {
    throw notificationErrors.preferences_invalid(
      `there is no time zone "${timeZone}"; allowed: IANA names, such as Europe/Berlin`,
    )
  }
}

export const makePreferences = ({ db, clock, people, write }: PreferenceOptions) => {
  const repository = makePreferenceRepository(db.primary)

  const changedOf = (tenantId: string, memberId: string): StandaloneEvent => ({
    tenantId,
    projectId: null,
    type: 'preferences.changed',
    data: { memberId },
    atMs: clock.now(),
  })

  const notFound = (memberId: string): Error =>
    notificationErrors.preferences_not_found(`the member ${memberId} has no preferences`)

  const find = async (tenantId: string, memberId: string): Promise<MemberPreferences> => {
    const found = await repository.find(tenantId, memberId)
    if (!found) throw notFound(memberId)
    return found
  }

  /** As they are now, and stay until the end of the transaction: whoever changes them too waits. */
  const hold = async (tx: Handle, tenantId: string, memberId: string): Promise<MemberPreferences | undefined> => {
    const held = makePreferenceRepository(tx)
    await held.lock(tenantId, memberId)
    return held.find(tenantId, memberId)
  }

  /** `callerId`: the member who asks, if one does. */
  const set = async (
    tenantId: string,
    memberId: string,
    preferences: Preferences,
    callerId: string | null = null,
    check?: (current: MemberPreferences | undefined) => void,
  ): Promise<MemberPreferences> => {
    await people.check(tenantId, memberId, callerId)
    checkTimeZone(preferences.timeZone)
    const { channelId, quietHours } = preferences
    if (quietHours && quietHours.from === quietHours.to)
      throw notificationErrors.preferences_invalid('quiet hours that begin and end at the same time mean nothing')
    if (channelId !== null && !(await makeNotificationRepository(db.primary).channel(tenantId, channelId)))
      throw notificationErrors.channel_not_found(`there is no channel ${channelId}`)
    const all: MemberPreferences = { ...preferences, tenantId, memberId, updatedAtMs: clock.now() }
    await write(changedOf(tenantId, memberId), async (tx) => {
      if (check) check(await hold(tx, tenantId, memberId))
      await makePreferenceRepository(tx).set(all)
    })
    return all
  }

  const remove = async (
    tenantId: string,
    memberId: string,
    check?: (current: MemberPreferences) => void,
  ): Promise<void> => {
    await write(changedOf(tenantId, memberId), async (tx) => {
      const held = await hold(tx, tenantId, memberId)
      if (!held) throw notFound(memberId)
      check?.(held)
      await makePreferenceRepository(tx).remove(tenantId, memberId)
    })
  }

  return { find, set, remove }
}
