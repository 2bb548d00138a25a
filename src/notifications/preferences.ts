/** How members want to be told: through which channel, when not, and whether all at once. */
import type { Clock } from '../platform/clock.ts'
import type { Database, Handle } from '../platform/db/database.ts'
import { writeEvent } from '../platform/events/write.ts'
import { notificationErrors } from './errors.ts'
import { makeNotificationRepository } from './repository.ts'
import { makePreferenceRepository } from './repository-preferences.ts'
import type { MemberPreferences, Preferences } from './types.ts'

export interface PreferenceOptions {
  readonly db: Database
  readonly clock: Clock
  /** Told after a change that the outbox must know of. */
  readonly changed: () => void
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

export const makePreferences = ({ db, clock, changed }: PreferenceOptions) => {
  const repository = makePreferenceRepository(db.primary)

  const write = async (tenantId: string, memberId: string, work: (tx: Handle) => Promise<unknown>): Promise<void> => {
    await db.transaction(async (tx) => {
      await work(tx)
      await makeNotificationRepository(tx).bumpRoutes()
      const what = { tenantId, projectId: null, runId: null, taskId: null, atMs: clock.now() }
      await writeEvent(tx, { ...what, type: 'preferences.changed', data: { memberId } })
    })
    changed()
  }

  const find = async (tenantId: string, memberId: string): Promise<MemberPreferences> => {
    const found = await repository.find(tenantId, memberId)
    if (!found) throw notificationErrors.preferences_not_found(`the member ${memberId} has no preferences`)
    return found
  }

  const set = async (tenantId: string, memberId: string, preferences: Preferences): Promise<MemberPreferences> => {
    checkTimeZone(preferences.timeZone)
    const { channelId, quietHours } = preferences
    if (quietHours && quietHours.from === quietHours.to)
      throw notificationErrors.preferences_invalid('quiet hours that begin and end at the same time mean nothing')
    if (channelId !== null && !(await makeNotificationRepository(db.primary).channel(tenantId, channelId)))
      throw notificationErrors.channel_not_found(`there is no channel ${channelId}`)
    const all: MemberPreferences = { ...preferences, tenantId, memberId, updatedAtMs: clock.now() }
    await write(tenantId, memberId, (tx) => makePreferenceRepository(tx).set(all))
    return all
  }

  const remove = async (tenantId: string, memberId: string): Promise<void> => {
    await find(tenantId, memberId)
    await write(tenantId, memberId, (tx) => makePreferenceRepository(tx).remove(tenantId, memberId))
  }

  return { find, set, remove }
}
