/** Everyday transactions: their events are published when they have committed. */
import type { Kysely, Transaction } from 'kysely'
import type { Event } from '../events/event.ts'
import type { EventHub } from '../events/hub.ts'
import { eventsWritten } from '../events/write.ts'

export const publishing = async <T>(
  kysely: Kysely<unknown>,
  hub: EventHub,
  work: (tx: Transaction<unknown>) => Promise<T>,
): Promise<T> => {
  let events: readonly Event[] = []
  const result = await kysely.transaction().execute(async (tx) => {
    const value = await work(tx)
    events = eventsWritten(tx)
    return value
  })
  if (events.length > 0) hub.publish(events)
  return result
}
