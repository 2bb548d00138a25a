/** How whatever decides which channel an event goes to is changed: a channel, a subscription, a preference. */
import type { Database, Handle } from '../platform/db/database.ts'
import type { StandaloneEvent } from '../platform/events/event.ts'
import { writeEvent } from '../platform/events/write.ts'
import { makeNotificationRepository } from './repository.ts'

export interface RouteWriterOptions {
  readonly db: Database
  /** Told after a change that the outbox must know of. */
  readonly changed: () => void
}

export type WriteRoute = (event: StandaloneEvent, work: (tx: Handle) => Promise<unknown>) => Promise<void>

/** The change, its event and the new edition for the outbox of every process: all or nothing. */
export const makeRouteWriter =
  ({ db, changed }: RouteWriterOptions): WriteRoute =>
  async (event, work) => {
    await db.transaction(async (tx) => {
      await work(tx)
      await makeNotificationRepository(tx).bumpRoutes()
      await writeEvent(tx, event)
    })
    changed()
  }
