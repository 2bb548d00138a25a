/** From events to deliveries: one for every subscription that an event fits, in the transaction that moves the reader's cursor. */
import { setImmediate as nextTurn } from 'node:timers/promises'
import { LRUCache } from 'lru-cache'
import type { Clock } from '../platform/clock.ts'
import type { Database } from '../platform/db/database.ts'
import { withoutNul } from '../platform/db/text.ts'
import type { Event } from '../platform/events/event.ts'
import type { MakeId } from '../platform/ids.ts'
import type { Log } from '../platform/log.ts'
import { severityOf } from './catalogue.ts'
import { isOwn, OUTBOX_CURSOR, STATUS_AFTER, textOfEnd } from './endings.ts'
import type { Inbox } from './inbox.ts'
import type { Liquids } from './liquid.ts'
import { scopeOf, toMessage } from './message.ts'
import { planFor } from './quiet-hours.ts'
import { makeNotificationRepository } from './repository.ts'
import { makeDeliveryRepository } from './repository-deliveries.ts'
import { makePaceRepository } from './repository-pace.ts'
import type { Route, Routing } from './routing.ts'
import type { Templates } from './templates.ts'
import type { Delivery, InboxItem, Message } from './types.ts'

export interface IntakeOptions {
  readonly db: Database
  readonly clock: Clock
  readonly makeId: MakeId
  readonly log: Log
  readonly liquids: Liquids
  readonly inbox: Inbox
  readonly templates: Templates
  readonly routing: Routing
}

/** What the intake of some events left to do. */
export interface Taken {
  /** Deliveries that want a task now. */
  readonly isWorkLeft: boolean
  /** The next time at which one of those that wait is due. */
  readonly nextDueAtMs: number | undefined
}

/** A delivery, with the key that it is told of once by. */
interface Made {
  readonly delivery: Delivery
  readonly route: Route
  readonly key: string | undefined
}

const KEY_CHARACTERS = 500
/** A key that takes too long to make is not tried again for every event. */
const FAILING_MS = 60_000
const AT_WORK_MS = 20

export const makeIntake = (options: IntakeOptions) => {
  const { db, clock, makeId, log, liquids, inbox, templates, routing } = options
  const failing = new LRUCache<string, true>({ max: 1000, ttl: FAILING_MS })

  const deliveryOf = (event: Event, route: Route): Delivery => {
    const { subscription, channel, preferences } = route
    const isInbox = channel.kind === 'inbox'
    const [id, nowMs] = [makeId(), clock.now()]
    const { memberId } = subscription
    const isPlain = isInbox || preferences === null
    const plan = isPlain ? { dueAtMs: nowMs, isDigest: false } : planFor(preferences, severityOf(event.type), nowMs)
    return {
      id,
      tenantId: event.tenantId,
      projectId: event.projectId,
      channelId: channel.id,
      subscriptionId: subscription.id,
      cause: 'event',
      type: event.type,
      messageId: `msg_${id}`,
      message: JSON.stringify(toMessage(event)),
      dedupKey: `${event.id}:${subscription.id}`,
      // What is kept in the same database is delivered with this very transaction.
      status: isInbox ? 'delivered' : 'pending',
      error: null,
      taskId: null,
      memberId,
      dueAtMs: plan.dueAtMs,
      tries: 0,
      round: 0,
      slotAtMs: null,
      digest: plan.isDigest ? `${memberId}:${channel.id}` : null,
      digestId: null,
      createdAtMs: nowMs,
      finishedAtMs: isInbox ? nowMs : null,
    }
  }

  /** Undefined when every event is told of. A key that cannot be made hides nothing: the event is told of. */
  const keyOf = ({ subscription }: Route, message: Message): string | undefined => {
    if (!subscription.dedup || failing.has(subscription.id)) return undefined
    try {
      return withoutNul(liquids.render(subscription.dedup.key, scopeOf(message)).slice(0, KEY_CHARACTERS))
    } catch (error) {
      log.warn({ err: error, subscriptionId: subscription.id }, 'the key of an event could not be made')
      failing.set(subscription.id, true)
      return undefined
    }
  }

  const make = async (events: readonly Event[], rest: () => Promise<void>): Promise<Made[]> => {
    const routesOf = await routing.current()
    const made: Made[] = []
    for (const event of events) {
      if (isOwn(event)) continue
      for (const route of routesOf.get(event.tenantId) ?? []) {
        if (!route.fits(event)) continue
        made.push({ delivery: deliveryOf(event, route), route, key: keyOf(route, toMessage(event)) })
        await rest()
      }
    }
    return made
  }

  /** When another process moved the cursor meanwhile, nothing is written. */
  const take = async (events: readonly Event[], from: number): Promise<Taken> => {
    const rest = makeRest()
    const made = await make(events, rest)
    const items = new Map<string, InboxItem>()
    for (const { delivery, route } of made) {
      if (route.channel.kind !== 'inbox') continue
      items.set(delivery.id, inbox.itemOf(delivery, await templates.of(route.channel)))
      await rest()
    }
    const endings = events.filter((event) => event.type in STATUS_AFTER && isOwn(event) && event.taskId !== null)
    return db.transaction(async (tx) => {
      const moved = await makeNotificationRepository(tx).moveCursor(OUTBOX_CURSOR, from, events.at(-1)!.id)
      if (!moved) return { isWorkLeft: false, nextDueAtMs: undefined }
      const pace = makePaceRepository(tx)
      const told: Delivery[] = []
      for (const { delivery, route, key } of made) {
        const { dedup, id } = route.subscription
        const isNew = !dedup || key === undefined || (await pace.takeKey(id, key, clock.now(), dedup.windowMs))
        if (isNew) told.push(delivery)
      }
      const writes = makeDeliveryRepository(tx)
      await writes.addDeliveries(told)
      const added = told.map(({ id }) => items.get(id)).filter((item) => item !== undefined)
      if (added.length > 0) await inbox.add(tx, added)
      for (const event of endings) {
        const [before, after] = STATUS_AFTER[event.type as keyof typeof STATUS_AFTER]
        const { tenantId, taskId, atMs } = event
        await writes.follow({ tenantId, taskId: taskId as string, error: textOfEnd(event), atMs }, before, after)
      }
      return whatIsLeft(told)
    })
  }

  const whatIsLeft = (told: readonly Delivery[]): Taken => {
    const pending = told.filter(({ status }) => status === 'pending')
    const later = pending.filter(({ dueAtMs }) => dueAtMs > clock.now()).map(({ dueAtMs }) => dueAtMs)
    return {
      isWorkLeft: later.length < pending.length,
      nextDueAtMs: later.length === 0 ? undefined : Math.min(...later),
    }
  }

  return { take }
}

/** Templates may take long, and there are many in a row: now and then whatever else the process has to do gets its turn. */
const makeRest = (): (() => Promise<void>) => {
  let sinceMs = performance.now()
  return async () => {
    if (performance.now() - sinceMs < AT_WORK_MS) return
    await nextTurn()
    sinceMs = performance.now()
  }
}

export type Intake = ReturnType<typeof makeIntake>
